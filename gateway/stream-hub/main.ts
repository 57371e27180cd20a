/** Starts the stream hub: `node gateway/stream-hub/main.ts`. SIGTERM ends all streams, which clients resume elsewhere. */
import { z } from 'zod'
import { catalog } from '../../functions/catalog.ts'
import { json, LogSettings, Port, readConfig } from '../../shared/config.ts'
import { openNats } from '../../shared/events/nats.ts'
import { createVerifier } from '../../shared/identity/tokens.ts'
import { createLog } from '../../shared/telemetry/log.ts'
import { PublicKeys } from '../kong/deployment.ts'
import { AddressSettings, createResolver } from '../upstream/addresses.ts'
import { createCallerReader } from './callers.ts'
import { createFunctions } from './functions.ts'
import { createHub } from './hub.ts'
import { createNatsLink } from './nats-link.ts'
import { createTokenLogs } from './token-logs.ts'

const Environment = z.object({
  ...LogSettings.shape,
  ...AddressSettings.shape,
  PORT: Port,
  /** Address to listen on; absent is all of them. */
  HOST: z.string().optional(),
  NATS_URL: z.string(),
  PLATFORM_ISSUER: z.string(),
  PLATFORM_AUDIENCE: z.string(),
  PLATFORM_JWKS: json(PublicKeys),
})

/** What NATS lets this part receive replies under. */
const INBOX_PREFIX = '_INBOX_hub'

const environment = readConfig(Environment, process.env)
const log = createLog('stream-hub', environment.LOG_LEVEL)
const functions = createFunctions(createResolver(environment))
const verify = createVerifier({
  keys: environment.PLATFORM_JWKS,
  issuer: environment.PLATFORM_ISSUER,
  audience: environment.PLATFORM_AUDIENCE,
})
const nats = openNats(environment.NATS_URL, 'stream-hub', { inboxPrefix: INBOX_PREFIX })
const hub = createHub({
  catalog,
  functions,
  logs: createTokenLogs(nats, log),
  readCaller: createCallerReader(verify, functions),
  link: createNatsLink(nats, INBOX_PREFIX),
  log,
})

hub.server.listen({ port: environment.PORT, host: environment.HOST }, () =>
  log.info({ address: hub.server.address() }, 'the stream hub listens'),
)

process.once('SIGTERM', () => {
  log.info('the stream hub drains')
  void hub.drain().then(() => process.exit(0))
})
