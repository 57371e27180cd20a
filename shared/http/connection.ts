/** The connection that a request came by, as far as a deadline needs it. */
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { Connection } from '../calls/deadline.ts'

/** Of the server's own response where there is one: the request's signal costs more than all else that listens. */
export function connectionOf(context: Context): Connection {
  const { outgoing } = (context.env ?? {}) as Partial<HttpBindings>
  return outgoing === undefined ? ofSignal(context.req.raw) : ofResponse(outgoing)
}

function ofResponse(outgoing: HttpBindings['outgoing']): Connection {
  return {
    get isGone() {
      return outgoing.destroyed && !outgoing.writableFinished
    },
    onLeave(left) {
      const closed = () => {
        if (!outgoing.writableFinished) left()
      }
      outgoing.once('close', closed)
      return () => outgoing.removeListener('close', closed)
    },
  }
}

function ofSignal({ signal }: Request): Connection {
  return {
    get isGone() {
      return signal.aborted
    },
    onLeave(left) {
      signal.addEventListener('abort', left, { once: true })
      return () => signal.removeEventListener('abort', left)
    },
  }
}
