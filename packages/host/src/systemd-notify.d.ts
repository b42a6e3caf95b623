// The package has no types of its own; this is what its notify.js (1.0.0) does.
declare module 'systemd-notify' {
  /** Runs /usr/bin/systemd-notify; rejects with a string when it fails. */
  export default function notify(options: {
    ready?: boolean;
    status?: string;
    pid?: number;
  }): Promise<unknown>;
}
