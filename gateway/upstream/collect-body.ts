/** The body of a request, whole, before anything goes on: Kong buffers it too, and so a request can be sent again. */
import type { IncomingMessage } from 'node:http'

export type Body = Buffer | null

/** Whether the request has a body at all. */
function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length']
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}

/** Calls back with the body, or with `'too large'` as soon as it is; not at all where the client leaves before its end. */
export function collectBody(
  request: IncomingMessage,
  limit: number,
  done: (body: Body | 'too large') => void,
): void {
  if (!hasBody(request)) return done(null)
  const chunks: Buffer[] = []
  let bytes = 0
  const onData = (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= limit) {
      chunks.push(chunk)
      return
    }
    request.off('data', onData).off('end', onEnd)
    done('too large')
  }
  const onEnd = () => done(chunks.length === 1 ? (chunks[0] ?? null) : Buffer.concat(chunks))
  request.on('data', onData).once('end', onEnd)
}
