/** W3C trace context: one trace id follows a call through gateway, functions, events, queue and workers. */
import { takeRandom } from '../random.ts'

export interface TraceContext {
  traceId: string
  /** The span that the next hop is a child of. */
  spanId: string
  sampled: boolean
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** Reads a `traceparent` header; what is missing, malformed or all zero starts a new trace. */
export function readTraceparent(header: string | null | undefined): TraceContext {
  const match = TRACEPARENT.exec(header ?? '')
  const [, traceId = '', spanId = '', flags = ''] = match ?? []
  if (match === null || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return startTrace()
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export function startTrace(): TraceContext {
  const bytes = takeRandom(24).toString('hex')
  return { traceId: bytes.slice(0, 32), spanId: bytes.slice(32), sampled: true }
}

/** The same trace with a new span, to send to the next hop. */
export function childOf(parent: TraceContext): TraceContext {
  return { ...parent, spanId: takeRandom(8).toString('hex') }
}

export function formatTraceparent(trace: TraceContext): string {
  return `00-${trace.traceId}-${trace.spanId}-${trace.sampled ? '01' : '00'}`
}
