/** The contract of the stream hub. */
import { z } from 'zod'
import {
  AddressSettings,
  DESCRIPTIONS,
  json,
  NatsSettings,
  ServerSettings,
  TokenSettings,
} from '../../shared/config.ts'
import { defineComponent } from '../../shared/contract/component.ts'
import {
  Acknowledged,
  Acks,
  Ended,
  SUBSCRIPTION_PATH,
  SUBSCRIPTION_SCOPES,
} from '../../shared/events/subscription-stream.ts'
import { CREDENTIALS_REVOKED } from '../../shared/events/credentials.ts'
import { SESSION_STREAM_PATH } from '../../shared/events/session-events.ts'
import { PublicKeys } from '../../shared/identity/public-keys.ts'
import { JOB_STREAM_PATH } from '../../shared/inference/job-stream.ts'
import { eventSubject } from '../../shared/nats/subjects.ts'

/** What the API of OpenAI takes and answers is OpenAI's to document; here is what one needs to begin with. */
const OPENAI = {
  permission: 'agentese:write',
  scopes: ['llm:call', 'tokens:charge'],
  errors: 'openai',
} as const
const Response = z.looseObject({ id: z.string(), object: z.literal('response') })
const ResponseId = z.looseObject({ id: z.string() })
const Model = { model: z.string().describe('One of GET /v1/models') }

const SubscriptionId = z.strictObject({ id: z.uuid().toLowerCase() })

export const streamHub = defineComponent({
  name: 'stream-hub',
  summary: 'Everything that waits: token streams, subscriptions, `Prefer: wait`',
  program: 'gateway/stream-hub/main.ts',
  env: z.object({
    ...ServerSettings.shape,
    ...AddressSettings.shape,
    ...NatsSettings.shape,
    ...TokenSettings.shape,
    PLATFORM_JWKS: json(PublicKeys).describe(DESCRIPTIONS.PLATFORM_JWKS),
  }),
  secrets: ['NATS_URL'],
  nats: {
    publish: ['events.*.io.kgents.subscription.dead'],
    subscribe: [eventSubject('*', CREDENTIALS_REVOKED)],
    reads: ['TOKENS', 'EVENTS'],
    keeps: ['AGENTESE'],
  },
  routes: {
    'jobs.stream': {
      route: `GET ${JOB_STREAM_PATH}`,
      summary: 'Follow a job: its text as it comes, then how it ended',
      permission: 'jobs:read',
      scopes: ['job:read'],
      input: z.strictObject({
        id: z.uuid(),
        /** As the header `Last-Event-ID`, for clients that cannot send it. */
        last_event_id: z.string().optional(),
      }),
      output: z.string(),
      format: 'events',
    },
    'models.chat': {
      ...OPENAI,
      route: 'POST /v1/chat/completions',
      summary: 'Ask a model, as with the API of OpenAI: whole or, with "stream", in pieces',
      input: z.looseObject({
        ...Model,
        messages: z.array(z.looseObject({ role: z.string(), content: z.unknown().optional() })).min(1),
        stream: z.boolean().optional(),
      }),
      output: z.looseObject({ id: z.string(), object: z.literal('chat.completion') }),
      examples: [
        {
          summary: 'One question',
          input: {
            model: 'smollm2-135m-instruct',
            messages: [{ role: 'user', content: 'Why is the sky blue?' }],
          },
        },
      ],
    },
    'models.embed': {
      ...OPENAI,
      route: 'POST /v1/embeddings',
      summary: 'The vectors of texts, as with the API of OpenAI',
      input: z.looseObject({ ...Model, input: z.union([z.string(), z.array(z.string())]) }),
      output: z.looseObject({ object: z.literal('list'), data: z.array(z.unknown()) }),
      examples: [{ summary: 'One text', input: { model: 'all-minilm-l6-v2', input: 'a cat on a mat' } }],
    },
    'models.respond': {
      ...OPENAI,
      route: 'POST /v1/responses',
      summary:
        'Ask a model, as with the Responses API of OpenAI; "previous_response_id" goes on from an answer',
      input: z.looseObject({ ...Model, input: z.union([z.string(), z.array(z.unknown())]) }),
      output: Response,
      examples: [
        { summary: 'One question', input: { model: 'smollm2-135m-instruct', input: 'Why is the sky blue?' } },
      ],
    },
    'models.response': {
      ...OPENAI,
      permission: 'agentese:read',
      scopes: ['completion:read'],
      route: 'GET /v1/responses/:id',
      summary: 'A response; with "stream", as a stream that goes on behind the event "starting_after"',
      input: ResponseId.extend({ stream: z.boolean().optional(), starting_after: z.int().optional() }),
      output: Response,
    },
    'models.deleteResponse': {
      ...OPENAI,
      scopes: ['completion:delete'],
      route: 'DELETE /v1/responses/:id',
      summary: 'Forget what was asked and answered',
      input: ResponseId,
      output: z.looseObject({ id: z.string(), deleted: z.literal(true) }),
    },
    'models.cancelResponse': {
      ...OPENAI,
      permission: 'jobs:cancel',
      scopes: ['completion:read', 'job:write'],
      route: 'POST /v1/responses/:id/cancel',
      summary: 'Cancel a response that is under way; what was generated is charged',
      input: ResponseId,
      output: Response,
    },
    'self-kgent.events': {
      route: `GET ${SESSION_STREAM_PATH}`,
      summary:
        'Follow a conversation of yours, whoever of your programs writes: messages, answers as they come, changes, its end',
      permission: 'agentese:read',
      scopes: ['session:read'],
      input: z.strictObject({
        id: z.uuid(),
        /** As the header `Last-Event-ID`, for clients that cannot send it. */
        last_event_id: z.string().optional(),
      }),
      output: z.string(),
      format: 'events',
    },
    'subscribe.ack': {
      route: `POST ${SUBSCRIPTION_PATH}/:id/ack`,
      summary:
        'Acknowledge events of an at-least-once subscription, each by its "ack"; others are delivered again',
      permission: 'agentese:read',
      scopes: SUBSCRIPTION_SCOPES,
      input: SubscriptionId.extend(Acks.shape),
      output: Acknowledged,
      examples: [
        {
          summary: 'An event has been dealt with',
          input: { id: '019a0000-0000-7000-8000-000000000000', acks: ['1.42.7.1767225600000000000.0'] },
        },
      ],
    },
    'subscribe.end': {
      route: `DELETE ${SUBSCRIPTION_PATH}/:id`,
      summary: 'End an at-least-once subscription of your own; one that nobody reads ends after an hour',
      permission: 'agentese:read',
      scopes: SUBSCRIPTION_SCOPES,
      input: SubscriptionId,
      output: Ended,
    },
  },
  // It holds a `Prefer: wait` for up to 60 s without a byte, and sends a heartbeat into a stream every 15 s.
  waits: { silentSeconds: 90 },
  reaches: ['functions'],
  // Without NATS it still answers calls; were it asked whether it reaches NATS, all of them would leave the Service at once.
  health: { live: '/health/live', ready: '/health/live' },
  scale: {
    replicas: 2,
    cpu: { request: '100m', limit: '1' },
    memory: { request: '128Mi', limit: '512Mi' },
    graceSeconds: 10,
  },
})
