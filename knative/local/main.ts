/**
 * The whole platform on one machine: `npm start`.
 *
 * Ends with 0 when it is stopped after it was ready, with 130 or 143 when Ctrl-C or SIGTERM came before, with 1 when it
 * cannot start, and with 2 when it does not know an option.
 */
import { mkdirSync } from 'node:fs'
import { constants } from 'node:os'
import { parseArgs } from 'node:util'
import { readLocalConfig, type LocalConfig } from './config.ts'
import { claimPort } from './listening.ts'
import { LocalPlatform } from './local-platform.ts'
import { lockState } from './state-lock.ts'

const HELP = `Usage: npm start

Starts the kgents platform on this machine and serves it at http://localhost:8000.

Environment (all optional):
  PORT, HOST              where the gateway listens (8000 on 127.0.0.1; PORT=0 for any free port, HOST=0.0.0.0 for
                          all addresses)
  KGENTS_STATE            folder of everything that outlives a restart (.kgents)
  KGENTS_CACHE            folder of downloaded servers and models (~/.cache/kgents)
  KNATIVE_TIME_SCALE      Knative's times, multiplied by this; an idle function sleeps after about 60 s x this (0.25)
  WORKERS                 inference workers (1)
  INFERENCE               "off" starts without a model
  INFERENCE_BASE_URL      OpenAI-compatible server to use instead of the small models that come along
  INFERENCE_MODEL, INFERENCE_EMBEDDING_MODEL, INFERENCE_API_KEY   which models there, and the key
  INFERENCE_SERVER_NAMES, INFERENCE_CAN_CONTINUE    what jobs call several servers, and whether they continue answers
  MODEL_CATALOGUE         models that callers may name, as JSON (shared/models/model.ts)
  MODEL_PATH, EMBEDDING_MODEL_PATH     GGUF files to use instead of the small models that come along
  STRIPE_API_KEY, STRIPE_WEBHOOK_SECRET   payment by card; STRIPE_AUTOMATIC_TAX=on lets Stripe compute taxes
  DATABASE_URL            PostgreSQL to use, as its owner; NATS_URL, REDIS_URL or UPSTASH_REDIS_REST_URL likewise
  LOG_LEVEL               silent, error, warn, info, debug (info)
`

const UNKNOWN_OPTION = 2

async function main(): Promise<void> {
  if (wantsHelp()) {
    process.stdout.write(HELP)
    return
  }
  const config = await claim(readLocalConfig(process.env))
  const platform = new LocalPlatform(config)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => void platform.stop(platform.isReady ? 0 : 128 + constants.signals[signal]))
  }
  try {
    await platform.start()
  } catch (error) {
    if (!platform.isStopping) printError(error)
    await platform.stop(1)
  }
}

function wantsHelp(): boolean {
  try {
    return parseArgs({ options: { help: { type: 'boolean', short: 'h' } } }).values.help === true
  } catch (error) {
    const [reason] = error instanceof Error ? error.message.split('. ') : []
    printError(`Cannot start: ${reason}; see "npm start -- --help"`)
    return process.exit(UNKNOWN_OPTION)
  }
}

/** Makes sure that folder and port are ours, before anything is started that would find out too late. */
async function claim(config: LocalConfig): Promise<LocalConfig> {
  mkdirSync(config.KGENTS_STATE, { recursive: true, mode: 0o700 })
  lockState(config.KGENTS_STATE)
  return { ...config, PORT: await claimPort(config.PORT, config.HOST) }
}

function printError(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
}

try {
  await main()
} catch (error) {
  printError(error)
  process.exitCode = 1
}
