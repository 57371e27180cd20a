/** The contract of the GPU worker. */
import { z } from 'zod'
import { WORKERS_CONSUMER } from '../shared/nats/streams.ts'
import { DESCRIPTIONS, List, NatsSettings, ServerSettings } from '../shared/config.ts'
import { ModelSettings } from '../shared/models/settings.ts'
import { defineComponent } from '../shared/contract/component.ts'

const Seconds = z.coerce.number().positive()
const Count = z.coerce.number().int().positive()

const Common = z.object({
  ...ServerSettings.shape,
  ...NatsSettings.shape,
  ACK_WAIT_SECONDS: Seconds.default(15).describe(
    'Silence of a worker after which its job goes to another; the same for relay and workers',
  ),
  DRAIN_SECONDS: z.coerce
    .number()
    .min(0)
    .default(25)
    .describe('How long running jobs may go on after SIGTERM, before they are handed over'),
  STALL_SECONDS: Seconds.default(120).describe(
    'Silence of an engine after which it is given up; several model servers share it',
  ),
  MODEL_CATALOGUE: ModelSettings.shape.MODEL_CATALOGUE,
  INFERENCE_CONCURRENCY: Count.default(1).describe('Jobs at once'),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url().optional().describe(DESCRIPTIONS.OTEL_EXPORTER_OTLP_ENDPOINT),
})

/** As `INFERENCE_BASE_URL` says, unless it is given. */
const ENGINE = {
  description: '`llama-cpp` in process, or `openai`, the default where INFERENCE_BASE_URL is set',
  required: false,
}

const LlamaCpp = Common.extend({
  ENGINE: z.literal('llama-cpp').meta(ENGINE),
  MODEL_PATH: z.string().describe('GGUF file of the model; of `llama-cpp`'),
  EMBEDDING_MODEL_PATH: z
    .string()
    .optional()
    .describe('GGUF file of the model that embeds; NATS then needs `max_payload` 8 MB'),
  INFERENCE_THREADS: Count.optional().describe('Threads of `llama-cpp`'),
  INFERENCE_GPU: z
    .enum(['auto', 'cuda', 'vulkan', 'metal', 'none'])
    .default('auto')
    .describe('What `llama-cpp` computes on: `auto`, `cuda`, `vulkan`, `metal` or `none`'),
  INFERENCE_CONTEXT_TOKENS: Count.default(4096).describe('Context of `llama-cpp`'),
})

/** Lists, for several servers; a single model or key is good for all of them. */
const OpenAi = Common.extend({
  ENGINE: z.literal('openai').meta(ENGINE),
  INFERENCE_BASE_URL: List.pipe(z.tuple([z.url()], z.url())).describe(
    'OpenAI-compatible servers, separated by commas; they fall back from first to last, in the middle of an answer too',
  ),
  INFERENCE_MODEL: List.pipe(z.tuple([z.string().min(1)], z.string().min(1))).describe(
    'Models at these servers, or one for all',
  ),
  INFERENCE_API_KEY: List.optional().describe('Keys of these servers, or one for all'),
  INFERENCE_EMBEDDING_MODEL: z.string().min(1).optional().describe('Model that embeds, at these servers'),
  INFERENCE_SERVER_NAMES: List.pipe(z.array(z.string().regex(/^[\w.-]{1,64}$/)))
    .optional()
    .describe('What jobs call these servers that have answered them; `server-1` and so on, where not set'),
  INFERENCE_CAN_CONTINUE: z
    .string()
    .default('false')
    .pipe(List)
    .pipe(z.array(z.stringbool()))
    .describe(
      'Whether these servers know `continue_final_message`, as vLLM and llama.cpp do, or one for all',
    ),
})

export const gpuWorker = defineComponent({
  name: 'gpu-worker',
  summary: 'Takes jobs from the queue, runs the model, publishes tokens and results',
  program: 'gpu-workers/main.ts',
  env: z.preprocess(
    (env) => ({ ENGINE: hasServer(env) ? 'openai' : 'llama-cpp', ...Object(env) }),
    z.discriminatedUnion('ENGINE', [LlamaCpp, OpenAi]),
  ),
  secrets: ['NATS_URL', 'INFERENCE_API_KEY'],
  nats: {
    publish: ['tokens.>', 'events.*.io.kgents.inference.>'],
    subscribe: ['events.*.io.kgents.job.cancelled'],
    reads: ['TOKENS'],
    takes: [{ stream: 'INFERENCE', consumer: WORKERS_CONSUMER }],
  },
  reaches: ['outside', 'telemetry'],
  image: 'worker',
  scale: {
    replicas: 1,
    cpu: { request: '1', limit: '4' },
    memory: { request: '1Gi', limit: '4Gi' },
    // DRAIN_SECONDS, and a little.
    graceSeconds: 30,
  },
})

export type WorkerEnvironment = z.infer<typeof gpuWorker.env>

function hasServer(env: unknown): boolean {
  return (env as Record<string, unknown>)['INFERENCE_BASE_URL'] !== undefined
}
