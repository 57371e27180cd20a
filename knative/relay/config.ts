/** What the relay reads from the environment when it starts. */
import { z } from 'zod'
import { LogSettings, Port } from '../../shared/config.ts'

const Count = z.coerce.number().int().min(1)
const Url = z.url()

export const RelayConfig = LogSettings.extend({
  PORT: Port.default(8080),
  HOST: z.string().default('0.0.0.0'),
  /** The databases whose outbox and jobs are drained; direct connections, because locks and LISTEN need a session. */
  RELAY_DATABASE_URLS: z
    .string()
    .transform((list) => list.split(',').map((url) => url.trim()))
    .pipe(z.array(Url).min(1)),
  NATS_URL: z.string().min(1),
  /**
   * Subjects of the events that go to the Broker, separated by commas; absent is all. Where all Triggers are known,
   * events that none of them wants need not be sent: that costs more than to make them.
   */
  BROKER_SUBJECTS: z
    .string()
    .transform((list) => list.split(',').map((subject) => subject.trim()))
    .optional(),
  /** Where events enter the Broker. */
  BROKER_URL: Url,
  /** Copies of each JetStream stream; more than one needs a cluster of NATS servers. */
  STREAM_REPLICAS: Count.default(1),
  /** How long a worker may stay silent before its job is given to another. */
  ACK_WAIT_SECONDS: Count.default(15),
  /** Jobs that may be in `INFERENCE` at once; the others wait in their database. */
  JOBS_IN_FLIGHT: Count.default(100),
  /** Requests to the Broker at once, for each stream. */
  FORWARD_CONCURRENCY: Count.default(32),
})
export type RelayConfig = z.infer<typeof RelayConfig>
