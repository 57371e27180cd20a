/**
 * Runs once before Kong starts, as its init container: reads kong.yaml, adds what belongs to this deployment, and
 * writes the file that Kong loads. Keys rotate by running it again and restarting Kong's pods one by one.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { json, readConfig } from '../../shared/config.ts'
import { deployKongConfig, PublicKeys } from './deployment.ts'
import type { KongConfig } from './types.ts'

const Environment = z.object({
  PLATFORM_JWKS: json(PublicKeys),
  KONG_CONFIG: z.string().default(new URL('kong.yaml', import.meta.url).pathname),
  /** Where Kong reads it: the value of `KONG_DECLARATIVE_CONFIG`. */
  KONG_DECLARATIVE_CONFIG: z.string(),
  CORS_ORIGINS: z
    .string()
    .transform((list) => list.split(',').map((origin) => origin.trim()))
    .optional(),
  OTEL_TRACES_ENDPOINT: z.url().optional(),
})

const environment = readConfig(Environment, process.env)
const config = deployKongConfig(parse(readFileSync(environment.KONG_CONFIG, 'utf8')) as KongConfig, {
  keys: environment.PLATFORM_JWKS,
  ...(environment.CORS_ORIGINS === undefined ? {} : { corsOrigins: environment.CORS_ORIGINS }),
  ...(environment.OTEL_TRACES_ENDPOINT === undefined
    ? {}
    : { tracesEndpoint: environment.OTEL_TRACES_ENDPOINT }),
})
writeFileSync(environment.KONG_DECLARATIVE_CONFIG, stringify(config, { aliasDuplicateObjects: false }))
