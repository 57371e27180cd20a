/** Builds what a function process needs, from its configuration. Nothing connects before it is used. */
import { randomBytes } from 'node:crypto'
import type { JWK } from 'jose'
import { loadAspect, loadCatalog, loadContext, type Loaders } from '../contract/catalog.ts'
import { nameOfNode } from '../contract/facts.ts'
import type { FunctionDefinition } from '../contract/function.ts'
import { DISPENSABLE_SECRETS, secretsFor } from '../contract/needs.ts'
import type { Payments } from '../contract/payments.ts'
import type { Platform } from '../contract/platform.ts'
import type { TraceStore } from '../traces/trace-store.ts'
import { createPayments } from '../billing/stripe/create-payments.ts'
import { createFencedFetch } from '../billing/stripe/fenced-fetch.ts'
import { openDatabase } from '../database/database.ts'
import { Failure } from '../failures.ts'
import { deriveWebhookSecret } from '../events/webhook.ts'
import { createFunctionCaller } from '../http/call-function.ts'
import { createDelivery } from '../http/deliver.ts'
import { createDispatcher, DISPATCH_ISSUER } from '../http/dispatch.ts'
import { createApiKeyLookup } from '../identity/api-keys.ts'
import { createTokenCheck } from '../identity/current-rights.ts'
import { createInvitationLookup } from '../identity/invitations.ts'
import { createAttester } from '../identity/attest.ts'
import { KeyUses } from '../identity/key-uses.ts'
import { withPlan } from '../identity/with-plan.ts'
import { createSecretBox } from '../identity/secret-box.ts'
import { createSessionLookup } from '../identity/sessions.ts'
import { createSigner, createVerifier, type TokenRules } from '../identity/tokens.ts'
import { endJob } from '../jobs/finish-job.ts'
import { releaseJob } from '../jobs/held-job.ts'
import { createTextResolver } from '../egress/resolve-text.ts'
import { createRateLimiter } from '../limits/rate-limiter.ts'
import { CallLeases } from '../plans/call-leases.ts'
import { createPlanBook, readOffered } from '../plans/plan-book.ts'
import { createRecorder } from '../calls/recorder.ts'
import type { Runtime } from '../calls/runtime.ts'
import { setCatalogue } from '../models/catalogue.ts'
import { createLog } from '../telemetry/log.ts'
import type { FunctionConfig } from './config.ts'
import { createProbe } from './probe.ts'
import { readStreamBacklog } from './stream-backlog.ts'
import { readPlatformMetrics } from './platform-metrics.ts'

export interface OpenRuntime {
  runtime: Runtime
  /** Writes what is still to be written, and disconnects. */
  close(): Promise<void>
}

/** @param loaders all functions; those named by FUNCTION are served, the others only known */
export async function openRuntime(config: FunctionConfig, loaders: Loaders): Promise<OpenRuntime> {
  const functions = await pick(config.FUNCTION, loaders)
  checkSecrets(functions, config)
  setCatalogue(config.MODEL_CATALOGUE)
  const log = createLog(config.FUNCTION, config.LOG_LEVEL)
  // Without a key no event is believed, and none can be signed that others would believe.
  const eventKeys = config.EVENT_SIGNING_KEY ?? [randomBytes(32).toString('base64url')]
  const database = openDatabase(config.DATABASE_URL ?? NO_DATABASE, {
    connections: config.DATABASE_CONNECTIONS,
    prepare: config.DATABASE_PREPARE === 'on',
  })
  const uses = new KeyUses(database.sql, 'note_key_uses')
  const sessionUses = new KeyUses(database.sql, 'note_session_uses')
  const findPlan = createPlanBook(database.sql)
  const calls = new CallLeases({ database })
  const recorder = createRecorder(database, log, eventKeys[0] ?? '')
  const runtime: Runtime = {
    functions,
    database,
    recorder,
    log,
    findPlan,
    calls,
    limiter: createRateLimiter({
      url: config.UPSTASH_REDIS_REST_URL,
      token: config.UPSTASH_REDIS_REST_TOKEN,
      log,
    }),
    verifyToken: createTokenCheck(database.sql, uses, findPlan, createVerifier(platformRules(config))),
    verifyDispatch: withPlan(createVerifier(dispatchRules(config, functions)), findPlan),
    authenticateInvitation: createInvitationLookup(database.sql, findPlan),
    authenticateApiKey: createApiKeyLookup(database.sql, uses, findPlan),
    authenticateSession: createSessionLookup(database.sql, sessionUses, uses, findPlan),
    eventKey: eventKeys[0] ?? '',
    eventKeys,
    webhookKeys: config.WEBHOOK_SIGNING_KEY === undefined ? [] : [config.WEBHOOK_SIGNING_KEY],
    publicOrigin: config.PUBLIC_ORIGIN,
    inferenceUnavailable: config.INFERENCE_UNAVAILABLE,
    platform: undefined as unknown as Platform, // reason: set below; its operations need the runtime they belong to
    endJob: (end, call) => endJob({ runtime, ...call }, end),
    releaseJob,
  }
  runtime.platform = createPlatform(config, loaders, runtime)
  return {
    runtime,
    async close() {
      await Promise.all([recorder.flush(), uses.flush(), sessionUses.flush(), calls.close()])
      await database.close()
    },
  }
}

function platformRules(config: FunctionConfig): TokenRules {
  return {
    keys: config.PLATFORM_JWKS,
    issuer: config.PLATFORM_ISSUER,
    audience: config.PLATFORM_AUDIENCE,
  }
}

function dispatchRules(config: FunctionConfig, functions: readonly FunctionDefinition[]): TokenRules {
  return { keys: config.DISPATCH_JWKS, issuer: DISPATCH_ISSUER, audience: functions.map(({ name }) => name) }
}

function pick(names: string, loaders: Loaders): Promise<FunctionDefinition[]> {
  const picked = names.split(',').map((name) => {
    if (Object.hasOwn(loaders, name.trim())) return loaders[name.trim()]?.()
    const known = Object.keys(loaders).join(', ')
    throw new TypeError(`Cannot start: FUNCTION names "${name}", which is none of ${known}`)
  })
  return Promise.all(picked.filter((loading) => loading !== undefined))
}

/** Never connected to: functions without a database in their contract ask it nothing. */
const NO_DATABASE = 'postgres://nobody@127.0.0.1:1/none'

/** @throws TypeError that names every secret that a function needs and the environment lacks */
function checkSecrets(functions: readonly FunctionDefinition[], config: FunctionConfig): void {
  const given = Object.entries(config).flatMap(([name, value]) => (value === undefined ? [] : [name]))
  const missing = functions.flatMap(({ name, needs }) =>
    secretsFor(needs)
      .filter((secret) => !DISPENSABLE_SECRETS.includes(secret) && !given.includes(secret))
      .map((secret) => `${secret} (for ${name})`),
  )
  if (missing.length > 0) throw new TypeError(`Cannot start: missing ${missing.join(', ')}`)
}

function createPlatform(config: FunctionConfig, loaders: Loaders, runtime: Runtime): Platform {
  const { PLATFORM_SIGNING_KEY, DISPATCH_SIGNING_KEY, TOKEN_LIFETIME_SECONDS } = config
  const signToken = signerOf('PLATFORM_SIGNING_KEY', PLATFORM_SIGNING_KEY, config.PLATFORM_ISSUER)
  const signDispatch = signerOf('DISPATCH_SIGNING_KEY', DISPATCH_SIGNING_KEY, DISPATCH_ISSUER)
  const callFunction = createFunctionCaller(config.CLUSTER_INGRESS)
  const catalog = once(() => loadCatalog(loaders))
  return {
    catalog,
    nodesOf: (context) => loadContext(loaders, context),
    findAspect: (path) => loadAspect(loaders, path),
    hasNode: (context, holon) => Object.hasOwn(loaders, nameOfNode(`${context}.${holon}`)),
    publicKeys: config.PLATFORM_JWKS,
    issueToken: async (identity, expiresInSeconds = TOKEN_LIFETIME_SECONDS) => ({
      token: await signToken(identity, config.PLATFORM_AUDIENCE, expiresInSeconds),
      expiresInSeconds,
    }),
    attest: createAttester(PLATFORM_SIGNING_KEY, config.PLATFORM_ISSUER),
    dispatch: createDispatcher(signDispatch, callFunction),
    deliver: createDelivery((name) => Object.hasOwn(loaders, name), callFunction),
    requestOutside: async (request) => {
      // Loaded when it is used: its HTTP client would be half of a cold start.
      const { fencedRequest } = await import('../egress/fenced-request.ts')
      return fencedRequest({ ...request, privateAllowed: config.EGRESS_PRIVATE_ALLOWED })
    },
    signUp: async (wanted) => {
      const { signUp } = await import('../tenancy/sign-up.ts')
      const { SIGNUP_ENABLED, SIGNUPS_PER_NETWORK: perNetwork, SIGNUPS_PER_HOUR: perHour } = config
      return signUp(runtime, wanted, { isOpen: SIGNUP_ENABLED === 'on', perNetwork, perHour })
    },
    resolveText: createTextResolver(config.DNS_SERVERS),
    payments: paymentsOf(config, runtime),
    traceStore: once(() => openTraceStore(config)),
    secretBox: createSecretBox(config.TOOL_SECRET_KEY ?? []),
    hasModel: () => runtime.inferenceUnavailable === undefined,
    webhookSecret(subscription, rotation) {
      if (config.WEBHOOK_SIGNING_KEY === undefined) {
        throw new Failure('INTERNAL', 'This function was not given WEBHOOK_SIGNING_KEY')
      }
      return deriveWebhookSecret(config.WEBHOOK_SIGNING_KEY, subscription, rotation)
    },
    privateOrigins: config.EGRESS_PRIVATE_ALLOWED,
    offeredPlans: remember(5000, () => readOffered(runtime.database.sql)),
    // Anybody may ask, so asking often costs no more than asking once.
    probe: remember(1000, createProbe(config, runtime.database.sql)),
    streamBacklog: remember(1000, () => readStreamBacklog(config)),
    metrics: remember(5000, async () => readPlatformMetrics(runtime.database.sql, await catalog())),
  }
}

/** The payment provider may be on this machine where its address says so: the operator has set that, and no tenant. */
function paymentsOf(config: FunctionConfig, { database, log }: Runtime): Payments {
  const allow = [new URL(config.STRIPE_API_URL).origin]
  return createPayments(
    config,
    database.sql,
    log,
    createFencedFetch(async (request) => {
      const { fencedRequest } = await import('../egress/fenced-request.ts')
      return fencedRequest({ ...request, allow, privateAllowed: allow })
    }),
  )
}

/** Its client is loaded where there is one. */
async function openTraceStore({ CLICKHOUSE_URL: url }: FunctionConfig): Promise<TraceStore | undefined> {
  if (url === undefined) return undefined
  const { openClickHouse } = await import('../traces/clickhouse.ts')
  return openClickHouse(url)
}

/** Makes it when it is first asked for, and never again. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}

/** Answers from memory for some time; all who ask while the answer is being made wait for the same one. */
function remember<T>(milliseconds: number, make: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined
  return () => {
    if (answer === undefined) {
      answer = make()
      const forget = () => (answer = undefined)
      answer.then(() => setTimeout(forget, milliseconds).unref(), forget)
    }
    return answer
  }
}

/** The signer of a key; a process without that key says so when it is asked to sign, and starts all the same. */
function signerOf(name: string, key: JWK | undefined, issuer: string): ReturnType<typeof createSigner> {
  if (key !== undefined) return createSigner({ key, issuer })
  return async () => {
    throw new Failure('INTERNAL', `This function was not given ${name}`)
  }
}
