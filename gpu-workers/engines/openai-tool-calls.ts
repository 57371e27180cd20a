/** Tool calls as servers send them: whole, or in pieces that belong together by an index. */
import { z } from 'zod'
import type { ToolCall } from '../../shared/inference/messages.ts'
import { ServerFailure } from './openai-failure.ts'
import { newToolCallId } from './tool-calls.ts'

const text = z.string().nullish().catch(undefined)

const Piece = z.looseObject({
  index: z.int().min(0).nullish().catch(undefined),
  id: text,
  function: z.looseObject({
    name: text,
    /** Some servers give the arguments as an object. */
    arguments: z
      .union([z.string(), z.record(z.string(), z.unknown())])
      .nullish()
      .catch(undefined),
  }),
})

/** A server that sends more does not end. */
const MAX_CALLS = 128
const MAX_CHARACTERS = 1_000_000
const MAX_ID = 64
const MAX_NAME = 128

/** Puts the calls of one answer together. */
export class ToolCallReader {
  readonly #calls: { index: number | undefined; id: string; name: string; arguments: string }[] = []
  #characters = 0

  /**
   * Reads what one event adds; answers the text of it, to be counted.
   *
   * @throws ServerFailure where there is no end to it, or a piece cannot be read: then a call would not be whole
   */
  read(pieces: unknown): string {
    if (pieces === undefined || pieces === null) return ''
    const parsed = z.array(Piece).safeParse(pieces)
    if (!parsed.success) throw new ServerFailure('unreadable', { cause: parsed.error })
    return parsed.data.map((piece) => this.#add(piece)).join('')
  }

  /** @throws ServerFailure where a call has no name that can be one */
  end(): ToolCall[] {
    return this.#calls.map(({ id, name, arguments: written }) => {
      if (name === '' || name.length > MAX_NAME) throw new ServerFailure('unreadable')
      const isId = id !== '' && id.length <= MAX_ID
      return { id: isId ? id : newToolCallId(), name, arguments: written === '' ? '{}' : written }
    })
  }

  #add({ index, id, function: { name, arguments: written } }: z.infer<typeof Piece>): string {
    const added = typeof written === 'object' && written !== null ? JSON.stringify(written) : (written ?? '')
    const last = this.#calls.at(-1)
    const known =
      typeof index === 'number'
        ? this.#calls.find((call) => call.index === index && !isAnother(call, id))
        : last !== undefined && !isAnother(last, id) && !hasText(name)
          ? last
          : undefined
    const call = known ?? { index: index ?? undefined, id: '', name: '', arguments: '' }
    if (known === undefined) this.#calls.push(call)
    if (hasText(id)) call.id = id
    // A name is sent once; servers that repeat it with every piece do not make it longer.
    if (hasText(name) && call.name === '') call.name = name
    call.arguments += added
    this.#characters += added.length
    if (this.#calls.length > MAX_CALLS || this.#characters > MAX_CHARACTERS)
      throw new ServerFailure('unreadable')
    return `${known === undefined ? (name ?? '') : ''}${added}`
  }
}

/** Ollama gives every call the index 0, and an id of its own. */
function isAnother(call: { id: string }, id: string | null | undefined): boolean {
  return hasText(id) && call.id !== '' && call.id !== id
}

function hasText(value: string | null | undefined): value is string {
  return typeof value === 'string' && value !== ''
}
