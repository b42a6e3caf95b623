// Owns the shape of every figure that the bench takes: what guests record, what docs/bench.json keeps.

/** A figure, or null where nothing arrived that could be measured. */
export type Figure = number | null;

/** Median over the phases, and the lowest and highest of them. */
export interface Spread {
  readonly median: Figure;
  readonly low: Figure;
  readonly high: Figure;
}

/** What one phase saw of a stream. Delays are milliseconds above those of the provider. */
export interface StreamPhase {
  readonly p50: Figure;
  readonly p99: Figure;
  readonly max: Figure;
  /** Share that did not arrive, 0 to 1. */
  readonly loss: number;
  /** Packets that arrived after one that was sent later. */
  readonly reordered: number;
}

/** A stream in one row. */
export interface StreamFigures {
  readonly name: string;
  readonly phases: readonly StreamPhase[];
  /** Delays at QUANTILES, all phases together. */
  readonly quantiles: readonly Figure[];
}

/** Payload of a load, Mbit a second in each phase. */
export interface LoadFigures {
  readonly name: string;
  readonly class: string;
  readonly mbit: readonly number[];
}

/** One design in one scene. */
export interface SceneRow {
  readonly kind: 'scene';
  readonly scene: string;
  readonly design: string;
  /** True for a scheduler of ours. */
  readonly isOurs: boolean;
  readonly streams: readonly StreamFigures[];
  readonly loads: readonly LoadFigures[];
  /**
   * Share of the line that was used while the loads ran, frames as they are on the wire; null without loads. Of the direction
   * of the scene; where it has both, that is up, and `usedDown` is the other.
   */
  readonly used: Figure;
  readonly usedDown?: Figure;
  /** Share of the guest's processor that was busy meanwhile: delays that are measured beside 1 are its own. */
  readonly busy?: Figure;
  /** Packets that came through the forward hook of sys-firewall meanwhile, of those that its vifs received; downloads only. */
  readonly forwarded?: { readonly forwardHook: number; readonly received: number };
}

/** What could not be measured: a whole part, or one design in one scene; and why. */
export interface FailedRow {
  readonly kind: 'failed';
  readonly what: string;
  readonly why: string;
}

/** A transfer through sys-firewall with one root qdisc on every vif and uplink. */
export interface VifRow {
  readonly kind: 'vif';
  readonly qdisc: string;
  readonly traffic: string;
  /** Mbit of payload a second of the guest's time, its processor full. */
  readonly mbit: number;
  /** Instructions of the whole path, end to end, for each frame of 1500 bytes. */
  readonly instructions: number;
}

/** What a way of applying again did to traffic that was under way. */
export interface ReapplyRow {
  readonly kind: 'reapply';
  readonly action: string;
  /** How often in the run. */
  readonly times: number;
  readonly sent: number;
  readonly lost: number;
  readonly p99: Figure;
  readonly max: Figure;
  readonly tcpMbit: number;
}

/** What a pass of the agent's unit costs. */
export interface ReconcileRow {
  readonly kind: 'reconcile';
  readonly vifs: number;
  readonly pass: string;
  /** Programs that it started, itself included where it was started for the pass. */
  readonly processes: number;
  /** Milliseconds of the guest's processor, the programs included. */
  readonly ms: number;
}

/** What the processes of the agent's unit hold together, at rest, and how often they wake. */
export interface ResidentRow {
  readonly kind: 'resident';
  /** Bytes private to them and written to: after the start, and after so many passes. */
  readonly privateDirty: readonly { readonly passes: number; readonly bytes: number }[];
  /** The processes at the end, and the names of those that have lived through a pass. */
  readonly processes: readonly { readonly name: string; readonly bytes: number }[];
  readonly lasting: readonly string[];
  /** Of a quiet time: its length, the seconds of it in which any thread woke, and the wake-ups in all. */
  readonly quietSeconds: number;
  readonly wakingAt: readonly number[];
  readonly wakeUps: number;
  /** Passes in that time. */
  readonly passes: number;
}

/** How long a command takes from start to end, against an empty Node. */
export interface StartRow {
  readonly kind: 'start';
  readonly command: string;
  readonly ms: number;
  readonly ratio: number;
}

/** A line that a guest records. */
export type BenchRow = SceneRow | FailedRow | VifRow | ReapplyRow | ReconcileRow | ResidentRow | StartRow;

/** One part as it was measured. */
export interface PartFigures {
  /** The last commit that had changed the programs. */
  readonly commit: string;
  readonly rows: readonly BenchRow[];
  /** Of the wall clock, from boot to end. */
  readonly seconds?: number;
}

/** docs/bench.json. */
export interface Bench {
  readonly version: 1;
  /** Wall clock of the run that measured all parts, and how many processors it had. */
  readonly run?: { readonly seconds: number; readonly processors: number };
  /** By the name of the part, in the order of the page. */
  readonly parts: Readonly<Record<string, PartFigures>>;
}
