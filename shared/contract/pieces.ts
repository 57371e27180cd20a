/** An answer in pieces, each made when the one before is on its way: as much memory as one takes, however long it is. */
export class Pieces {
  readonly #pieces: AsyncIterable<Uint8Array>

  private constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces
  }

  /** For a handler whose output is text. Where a piece cannot be made, the answer breaks off, which its reader notices. */
  static asText(pieces: AsyncIterable<Uint8Array>): string {
    return new Pieces(pieces) as unknown as string // reason: the edge alone looks into it
  }

  toStream(): ReadableStream<Uint8Array> {
    return ReadableStream.from<Uint8Array>(this.#pieces)
  }
}
