/**
 * What Kong's configuration gains where it is deployed: the keys that tokens are signed with, the sites that may
 * call, the collector of spans. Kong OSS resolves `{vault://...}` in plugins and certificates but not in
 * `jwt_secrets`, and their number changes while keys rotate, so this is a step of its own and not a placeholder.
 */
import { createPublicKey } from 'node:crypto'
import { z } from 'zod'
import { CONSUMER } from './kong.ts'
import { sendSpans } from './plugins.ts'
import type { KongConfig, KongJwtSecret, KongPlugin } from './types.ts'

/** Public keys as in `PLATFORM_JWKS`. A private key here is a mistake that must not reach a file. */
export const PublicKeys = z.object({
  keys: z
    .array(
      z
        .looseObject({
          kty: z.string(),
          kid: z.string().min(1),
          alg: z.exactOptional(z.enum(['EdDSA', 'ES256'])),
        })
        .refine((key) => !('d' in key), 'is a private key'),
    )
    .min(1),
})
export type PublicKeys = z.infer<typeof PublicKeys>

export interface Deployment {
  keys: PublicKeys
  /** Origins as in the CORS protocol; absent lets every site call. */
  corsOrigins?: readonly string[]
  /** OTLP over HTTP, such as `http://collector:4318/v1/traces`. */
  tracesEndpoint?: string
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
