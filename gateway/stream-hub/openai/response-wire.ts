/**
 * A response as a stream of events. Their numbers follow from the indices of the token log, so that whichever hub writes them, a
 * client goes on behind the last number that it has.
 */
import type { CompletionOutput } from '../../../functions/agentese/world/model/shapes.ts'
import { writeEventMessage } from '../../../shared/http/event-message.ts'
import type { StreamEvent } from '../transcript.ts'
import type { Wire } from '../wire.ts'
import { outputOf, restarted } from './ending.ts'
import { callItem, messageItem, responseOf, textPart, type Asked, type Progress } from './response.ts'
import { idOf } from './response-ids.ts'
import { SentText } from './sent-text.ts'

/** Events before the first piece of text. */
const OPENING_EVENTS = 4

/** The index in the token log behind which a client goes on that has the event of this number. */
export function indexBehind(sequence: number): number {
  return Math.max(-1, sequence - OPENING_EVENTS)
}

/** @param behind number of the last event that the client has; -1 where it has none */
export function createResponseWire(asked: Asked, behind = -1): Wire {
  const wire = new ResponseWire(asked, behind)
  return { opening: wire.open(), write: (event) => wire.write(event) }
}

class ResponseWire {
  readonly #asked: Asked
  readonly #behind: number
  readonly #sent = new SentText()
  /** Whether something was sent before this stream, which is not known here. */
  readonly #isResumed: boolean
  #number = 0
  #over = false

  constructor(asked: Asked, behind: number) {
    this.#asked = asked
    this.#behind = behind
    this.#isResumed = behind >= OPENING_EVENTS
  }

  open(): string {
    const { job } = this.#asked
    const item = { item_id: idOf('msg', job), output_index: 0, content_index: 0 }
    return [
      this.#event('response.created', { response: this.#response({ status: 'queued' }) }),
      this.#event('response.in_progress', { response: this.#response({ status: 'running' }) }),
      this.#event('response.output_item.added', { output_index: 0, item: messageItem(job, 'in_progress') }),
      this.#event('response.content_part.added', { ...item, part: textPart('') }),
    ].join('')
  }

  write({ event, id, data }: StreamEvent): string {
    if (this.#over || event === 'started') return ''
    if (event === 'restart') this.#sent.restart()
    if (event === 'chunk') return this.#writeText(String(data['text']), Number(id))
    if (event === 'complete') return this.#writeEnd(outputOf(data['result']))
    return event === 'error' ? this.#writeFailure(data) : ''
  }

  #writeText(text: string, index: number): string {
    this.#number = OPENING_EVENTS + index
    const fresh = this.#sent.next(text)
    // What was sent before is not known here: the whole text comes at the end.
    if (fresh === undefined) return this.#isResumed ? '' : this.#writeFailure(restarted())
    if (fresh === '') return ''
    const { job } = this.#asked
    const delta = { item_id: idOf('msg', job), output_index: 0, content_index: 0, delta: fresh, logprobs: [] }
    return this.#event('response.output_text.delta', delta)
  }

  #writeEnd(output: CompletionOutput): string {
    const { job } = this.#asked
    const { text, toolCalls, finishReason } = output
    const item = { item_id: idOf('msg', job), output_index: 0, content_index: 0 }
    const status = finishReason === 'length' ? 'incomplete' : 'completed'
    const done = status === 'incomplete' ? 'response.incomplete' : 'response.completed'
    return [
      this.#event('response.output_text.done', { ...item, text, logprobs: [] }),
      this.#event('response.content_part.done', { ...item, part: textPart(text) }),
      this.#event('response.output_item.done', { output_index: 0, item: messageItem(job, status, text) }),
      ...toolCalls.map((call, at) => this.#writeCall(callItem(job, at, call), at + 1)),
      this.#event(done, { response: this.#response({ status: 'completed', output }) }),
    ].join('')
  }

  #writeCall(item: ReturnType<typeof callItem>, output_index: number): string {
    const at = { item_id: item.id, output_index }
    const added = { output_index, item: { ...item, arguments: '', status: 'in_progress' } }
    const given = { ...at, name: item.name, arguments: item.arguments }
    return [
      this.#event('response.output_item.added', added),
      this.#event('response.function_call_arguments.delta', { ...at, delta: item.arguments }),
      this.#event('response.function_call_arguments.done', given),
      this.#event('response.output_item.done', { output_index, item }),
    ].join('')
  }

  #writeFailure(error: unknown): string {
    this.#over = true
    const { code } = error as { code?: unknown } // reason: members of a problem
    if (code === 'CANCELLED')
      return this.#event('response.incomplete', { response: this.#response({ status: 'cancelled' }) })
    return this.#event('response.failed', { response: this.#response({ status: 'failed', error }) })
  }

  #response(progress: Progress) {
    return responseOf(this.#asked, progress)
  }

  /** Empty where the client has it. */
  #event(type: string, members: object): string {
    const sequence_number = this.#number++
    if (sequence_number <= this.#behind) return ''
    return writeEventMessage({ event: type, data: { type, sequence_number, ...members } })
  }
}
