// Owns the words of the simulated machine: a qube as data, its QubesDB as seen by qubesd, events and faults.

/** The classes of qubes that Qubes 4.3 has. */
type QubeClass = 'AdminVM' | 'AppVM' | 'DispVM' | 'StandaloneVM' | 'TemplateVM' | 'RemoteVM';

/** What qubesd needs of the QubesDB of a running qube; `value` is text, one byte a character. */
export interface QubesdbWriter {
  write(path: string, value: string): void;
  /** Removes a key; a path that ends in `/` is a whole directory. */
  remove(path: string): void;
}

/** One qube of a machine, as a test or the lab describes it. */
export interface QubeDescription {
  readonly name: string;
  /** AppVM unless given. */
  readonly class?: QubeClass;
  /** Halted unless given; dom0 and a RemoteVM always run. */
  readonly running?: boolean;
  /** A name, or null for none; left out, the qube follows the machine's default. */
  readonly netvm?: string | null;
  readonly providesNetwork?: boolean;
  readonly ip?: string;
  readonly ip6?: string;
  readonly tags?: readonly string[];
  readonly features?: Readonly<Record<string, string>>;
  readonly label?: string;
  readonly template?: string;
  readonly qid?: number;
  /** Number of the Xen domain, while it runs. */
  readonly xid?: number;
}

/** A whole machine; dom0 is added when it is not described. */
export interface MachineDescription {
  readonly qubes: readonly QubeDescription[];
  readonly defaultNetvm?: string | null;
}

/** One qube, live. */
export interface Qube {
  readonly name: string;
  readonly class: QubeClass;
  readonly qid: number;
  readonly uuid: string;
  readonly ip: string;
  readonly ip6: string;
  readonly template: string | null;
  /** undefined: the default of the class. */
  readonly providesNetwork: boolean | undefined;
  readonly tags: Set<string>;
  readonly features: Map<string, string>;
  label: string;
  /** undefined: follows the machine's default. */
  netvm: string | null | undefined;
  state: 'Running' | 'Halted';
  xid: number;
  qubesdb: QubesdbWriter | undefined;
}

/** One event of admin.Events; an empty subject is the machine as a whole. */
export interface MachineEvent {
  readonly subject: string;
  readonly event: string;
  readonly kwargs: Readonly<Record<string, string>>;
}

/** An exception that qubesd puts into its reply. Any other error makes it close the connection without a byte. */
export class AdminFault extends Error {
  readonly type: string;

  constructor(type: string, message: string) {
    super(message);
    this.name = 'AdminFault';
    this.type = type;
  }
}
