// Owns the fault of a tree: what is wrong, and at which key.

/** Thrown by the resolution of trees; whoever knows the files makes a sentence with file and line of it. */
export class TreeFault extends Error {
  /** Keys from the top of the file. */
  readonly path: readonly string[];

  constructor(path: readonly string[], message: string) {
    super(message);
    this.name = 'TreeFault';
    this.path = path;
  }
}
