/**
 * What Kong's configuration gains where it is deployed: the keys that tokens are signed with, the sites that may
 * call, the collector of spans. Kong OSS resolves `{vault://...}` in plugins and certificates but not in
 * `jwt_secrets`, and their number changes while keys rotate, so this is a step of its own and not a placeholder.
 */
import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import type { z } from 'zod'
import type { PublicKeys } from '../../shared/identity/public-keys.ts'
import type { gateway } from './component.ts'
import { CONSUMER } from './kong.ts'
import { sendSpans } from './plugins.ts'
import type { KongConfig, KongJwtSecret, KongPlugin } from './types.ts'

export interface Deployment {
  keys: PublicKeys
  /** Origins as in the CORS protocol; absent lets every site call. */
  corsOrigins?: readonly string[]
  /** OTLP over HTTP, such as `http://collector:4318/v1/traces`. */
  tracesEndpoint?: string
}

/** The rendered configuration as the environment deploys it. */
export function readDeployment(environment: Readonly<z.infer<typeof gateway.env>>): KongConfig {
  const {
    KONG_CONFIG = new URL('kong.yaml', import.meta.url),
    CORS_ORIGINS,
    OTEL_TRACES_ENDPOINT,
  } = environment
  return deployKongConfig(parse(readFileSync(KONG_CONFIG, 'utf8')) as KongConfig, {
    keys: environment.PLATFORM_JWKS,
    ...(CORS_ORIGINS === undefined ? {} : { corsOrigins: CORS_ORIGINS }),
    ...(OTEL_TRACES_ENDPOINT === undefined ? {} : { tracesEndpoint: OTEL_TRACES_ENDPOINT }),
  })
}

/** Kong's own settings, `kong.conf`, as the environment deploys them. */
export function deployKongConf(conf: string, environment: Readonly<z.infer<typeof gateway.env>>): string {
  const { TRACES_SAMPLING_RATE, OTEL_TRACES_ENDPOINT, TRUSTED_PROXIES, CLIENT_ADDRESS_HEADER } = environment
  const sampling = `tracing_sampling_rate = ${TRACES_SAMPLING_RATE}`
  // without instrumentations, the plugin passes every trace on as one that is not sampled
  const spans = OTEL_TRACES_ENDPOINT === undefined ? '' : '\ntracing_instrumentations = request'
  const proxies = TRUSTED_PROXIES === undefined ? '' : trustProxies(TRUSTED_PROXIES, CLIENT_ADDRESS_HEADER)
  return conf.replace(/^tracing_sampling_rate = .*$/m, sampling + spans) + proxies
}

/** With the last address of the header that is not of a proxy, as each proxy adds the one that it sees. */
function trustProxies(networks: readonly string[], header: string): string {
  return `trusted_ips = ${networks.join(',')}\nreal_ip_header = ${header}\nreal_ip_recursive = on\n`
}

/** `config` as one deployment runs it. */
export function deployKongConfig(config: KongConfig, deployment: Deployment): KongConfig {
  const { keys, corsOrigins, tracesEndpoint } = deployment
  const plugins = config.plugins.map((plugin) =>
    corsOrigins === undefined ? plugin : withOrigins(plugin, corsOrigins),
  )
  return {
    ...config,
    consumers: config.consumers.map((consumer) =>
      consumer.username === CONSUMER ? { ...consumer, jwt_secrets: keys.keys.map(jwtSecret) } : consumer,
    ),
    plugins: tracesEndpoint === undefined ? plugins : [...plugins, sendSpans(tracesEndpoint)],
  }
}

function withOrigins(plugin: KongPlugin, origins: readonly string[]): KongPlugin {
  return plugin.name === 'cors' ? { ...plugin, config: { ...plugin.config, origins: [...origins] } } : plugin
}

function jwtSecret(key: PublicKeys['keys'][number]): KongJwtSecret {
  const pem = createPublicKey({ key, format: 'jwk' }).export({
    type: 'spki',
    format: 'pem',
  })
  return {
    key: key.kid,
    algorithm: key.alg ?? (key.kty === 'OKP' ? 'EdDSA' : 'ES256'),
    rsa_public_key: pem.toString(),
  }
}
