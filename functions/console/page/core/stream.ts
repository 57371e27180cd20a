/** Server-sent events of an answer: `EventSource` can send neither a body nor a header, so they are read from `fetch`. */
import { send, type ApiRequest } from './api.ts'

export interface StreamEvent {
  event: string
  data: Record<string, unknown>
}

/**
 * Sends a request whose answer is a stream and yields its events until it ends.
 *
 * @throws ApiError where the request is refused
 */
export async function* stream(request: ApiRequest, signal: AbortSignal): AsyncGenerator<StreamEvent> {
  const headers = { ...request.headers, accept: 'text/event-stream' }
  const response = await send({ ...request, headers }, signal)
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { value, done } = (await reader?.read()) ?? { value: undefined, done: true }
    if (done) return
    const blocks = `${rest}${value}`.replaceAll('\r\n', '\n').split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const read = readBlock(block)
      if (read !== undefined) yield read
    }
  }
}

/** Comments and retry times alone are no event. */
function readBlock(block: string): StreamEvent | undefined {
  const fields = block.split('\n').map((line) => /^(\w+): ?(.*)$/.exec(line))
  const valuesOf = (name: string) =>
    fields.filter((field) => field?.[1] === name).map((field) => field?.[2] ?? '')
  const data = valuesOf('data').join('\n')
  if (data === '') return undefined
  return { event: valuesOf('event')[0] ?? 'message', data: JSON.parse(data) as Record<string, unknown> }
}
