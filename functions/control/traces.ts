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
import { Narrative, narrate, VERBOSITIES } from './traces/narrate.ts'
import { readTrace } from './traces/read.ts'
import { TraceSpans } from './traces/spans.ts'

/** As in the header `traceparent` (W3C). */
const TraceId = z.string().regex(/^[0-9a-f]{32}$/, 'is no trace id: 32 hexadecimal digits')

/** A day. */
const MAX_DURATION_MS = 86_400_000

export const traces = defineOperation({
  name: 'traces',
  summary: 'What requests have come to, across functions, queue and workers',
  routes: {
    list: route({
      route: 'GET /v1/traces',
      summary: 'Traces by their first call that fits, newest first; personal calls of others only for admins',
      permission: 'agentese:read',
      scopes: ['trace:read'],
      needs: ['postgres', 'trace-store'],
      input: z.strictObject({
        start: Instant.optional(),
        end: Instant.optional().describe('Exclusive'),
        path: z.string().max(200).optional().describe('Or what it begins with, up to a dot'),
        status: z.enum(OUTCOMES).optional(),
        min_duration_ms: wholeNumber(0, MAX_DURATION_MS).optional().describe('Of the call that fits'),
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
      needs: ['postgres', 'trace-store'],
      input: z.strictObject({ id: TraceId }),
      output: TraceSpans,
      examples: [{ summary: 'A call', input: { id: '0af7651916cd43dd8448eb211c80319c' } }],
      handle: ({ id }, call) => readTrace(id, call),
    }),

    narrative: route({
      route: 'GET /v1/traces/:id/narrative',
      summary: 'What happened in a trace, in sentences that follow from its spans',
      permission: 'agentese:read',
      scopes: ['trace:read'],
      needs: ['postgres', 'trace-store'],
      input: z.strictObject({
        id: TraceId,
        genre: z.enum(['technical']).default('technical'),
        verbosity: z.enum(VERBOSITIES).default('normal').describe('verbose says more of each call'),
      }),
      output: Narrative,
      examples: [
        { summary: 'In a sentence', input: { id: '0af7651916cd43dd8448eb211c80319c', verbosity: 'terse' } },
      ],
      handle: async ({ id, verbosity }, call) => narrate(await readTrace(id, call), verbosity),
    }),
  },
})
