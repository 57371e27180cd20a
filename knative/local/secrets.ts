/** The secrets of one local platform: made on the first start, kept in its state folder, readable by its owner alone. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { createSigningKey, Jwk, randomSecret } from '../keys.ts'
import { replaceFile } from './write-file.ts'

const Secrets = z.object({
  passwords: z.object({
    postgres: z.string(),
    app: z.string(),
    relayDatabase: z.string(),
    exporterDatabase: z.string().default(randomSecret),
    redis: z.string(),
  }),
  /** Of the passwords of all users of NATS. */
  natsKey: z.string().default(randomSecret),
  redisRestToken: z.string(),
  eventKey: z.string(),
  toolKey: z.string(),
  webhookKey: z.string().default(randomSecret),
  platformKey: Jwk,
  dispatchKey: Jwk,
})
export type Secrets = z.infer<typeof Secrets>

/** Reads the secrets in `state`, or makes them. */
export async function loadSecrets(state: string): Promise<Secrets> {
  const file = join(state, 'secrets.json')
  const isThere = existsSync(file)
  const secrets = isThere ? readSecrets(file, state) : await createSecrets()
  mkdirSync(state, { recursive: true, mode: 0o700 })
  // A file of an older version lacks those of parts that came later; nothing opens with these yet.
  const isWhole = isThere && isDeepStrictEqual(JSON.parse(readFileSync(file, 'utf8')), secrets)
  if (!isWhole) replaceFile(file, JSON.stringify(secrets, null, 2))
  return secrets
}

/** No new ones are made in the place of what cannot be read: the data beside it opens with these alone. */
function readSecrets(file: string, state: string): Secrets {
  try {
    return Secrets.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (error) {
    const reason = error instanceof z.ZodError ? reasonOf(error) : String(error)
    throw new Error(
      `Cannot read the secrets in "${file}": ${reason}; restore the file from a copy, ` +
        `or move "${state}" away to start anew without its data`,
      { cause: error },
    )
  }
}

function reasonOf({ issues }: z.ZodError): string {
  const fields = issues.map(({ path }) => path.join('.')).filter((path) => path !== '')
  return fields.length === 0
    ? 'it holds something else'
    : `${fields.join(', ')} is missing or of another version`
}

async function createSecrets(): Promise<Secrets> {
  return {
    passwords: {
      postgres: randomSecret(),
      app: randomSecret(),
      relayDatabase: randomSecret(),
      exporterDatabase: randomSecret(),
      redis: randomSecret(),
    },
    natsKey: randomSecret(),
    redisRestToken: randomSecret(),
    eventKey: randomSecret(),
    toolKey: randomSecret(),
    webhookKey: randomSecret(),
    platformKey: await createSigningKey('platform'),
    dispatchKey: await createSigningKey('dispatch'),
  }
}
