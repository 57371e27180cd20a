/** Starts the stream hub: `node gateway/stream-hub/main.ts`. SIGTERM ends all streams, which clients resume elsewhere. */
import { OPEN_MS } from '../../shared/http/close-server.ts'
import { openNatsLink } from '../../shared/nats/link.ts'
import { catalog } from '../../functions/catalog.ts'
import { readEnvironment } from '../../shared/config.ts'
import { createVerifier } from '../../shared/identity/tokens.ts'
import { createLog } from '../../shared/telemetry/log.ts'
import { createResolver } from '../upstream/addresses.ts'
import { createCallerReader } from './callers.ts'
import { streamHub } from './component.ts'
import { createFunctions } from './functions.ts'
import { createHub } from './hub.ts'
import { createTokenLogs } from './token-logs.ts'

const environment = readEnvironment(streamHub)
const log = createLog(streamHub.name, environment.LOG_LEVEL)
const functions = createFunctions(createResolver(environment))
const verify = createVerifier({
  keys: environment.PLATFORM_JWKS,
  issuer: environment.PLATFORM_ISSUER,
  audience: environment.PLATFORM_AUDIENCE,
})
const link = openNatsLink(environment.NATS_URL, streamHub.name)
const hub = createHub({
  catalog,
  functions,
  logs: createTokenLogs(link, log),
  readCaller: createCallerReader(verify, functions),
  link,
  log,
})

// When a hub ends, all of its clients come back at once: more than the 511 connections that Node lets wait.
hub.server.listen({ port: environment.PORT, host: environment.HOST, backlog: 4096 }, () =>
  log.info({ address: hub.server.address() }, 'the stream hub listens'),
)

process.once('SIGTERM', () => {
  log.info('the stream hub drains')
  void hub.drain(OPEN_MS).then(() => process.exit(0))
})
