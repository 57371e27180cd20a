/**
 * Text that was sent where nothing can be taken back. An answer that begins anew, mostly the same one whose log was lost, is
 * compared with it, and goes on where it goes on from it.
 */
export class SentText {
  #sent = ''
  /** What the new beginning has said so far; undefined where there is none. */
  #again: string | undefined

  get text(): string {
    return this.#sent
  }

  restart(): void {
    this.#again = ''
  }

  /** What of `text` is to be sent; undefined where it is not what was sent before. */
  next(text: string): string | undefined {
    if (this.#again === undefined) {
      this.#sent += text
      return text
    }
    const said = this.#again + text
    const sent = this.#sent
    if (!said.startsWith(sent) && !sent.startsWith(said)) return undefined
    this.#again = said.length < sent.length ? said : undefined
    if (said.length <= sent.length) return ''
    this.#sent = said
    return said.slice(sent.length)
  }
}
