/**
 * Traces: what one request has come to, across functions, queue, workers and continuations; from the marks and jobs that
 * it left behind. They say what was done, how long it took and what it cost, never what it was about.
 */
import { z } from 'zod'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { NextCursor } from '../../shared/contract/pages.ts'
import { wholeNumber } from '../../shared/contract/query-values.ts'
import { Instant } from '../../shared/instant.ts'
import { listTraces, NEWEST_FIRST, OUTCOMES, Trace } from './traces/list.ts'
import { readTrace } from './traces/read.ts'
import { TraceSpans } from './traces/spans.ts'

/** As in the header `traceparent` (W3C). */
const TraceId = z.string().regex(/^[0-9a-f]{32}$/, 'is no trace id: 32 hexadecimal digits')

export const traces = defineOperation({
  name: 'traces',
  summary: 'What requests have come to, across functions, queue and workers',
  routes: {
    list: route({
      route: 'GET /v1/traces',
      summary: 'Traces by their first call that fits, newest first; personal calls of others only for admins',
      permission: 'agentese:read',
      scopes: ['trace:read'],
      needs: ['postgres'],
      input: z.strictObject({
        start: Instant.optional(),
        end: Instant.optional().describe('Exclusive'),
        path: z.string().max(200).optional(),
        status: z.enum(OUTCOMES).optional(),
        limit: wholeNumber(1, 100).default(20),
        cursor: NEWEST_FIRST.Cursor.optional(),
      }),
      output: z.strictObject({ traces: z.array(Trace), next_cursor: NextCursor }),
      examples: [{ summary: 'What has failed', input: { status: 'failure' } }],
      handle: (wanted, call) => listTraces(wanted, call),
    }),

    get: route({
      route: 'GET /v1/traces/:id',
      summary:
        'One trace as a tree of spans: calls, and of jobs the wait, the work of the model and the continuation',
      permission: 'agentese:read',
      scopes: ['trace:read'],
      needs: ['postgres'],
      input: z.strictObject({ id: TraceId }),
      output: TraceSpans,
      examples: [{ summary: 'A call', input: { id: '0af7651916cd43dd8448eb211c80319c' } }],
      handle: ({ id }, call) => readTrace(id, call),
    }),
  },
})
