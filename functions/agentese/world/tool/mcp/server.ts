/** What it takes to call a server: the origins that the tenant has allowed, and secrets for its headers. */
import type { Call, Given } from '../../../../../shared/contract/call.ts'
import { Failure } from '../../../../../shared/failures.ts'
import { readAccess } from '../rows.ts'
import { withSecrets, type Redactor } from '../secrets.ts'
import type { Server } from './session.ts'

interface Named {
  /** For messages. */
  name: string
  url: string
  headers: Readonly<Record<string, string>>
  timeout_seconds: number
}

/** @throws Failure STATE_CONFLICT where a secret is missing or may not go there */
export async function prepareServer(
  { name, url, headers, timeout_seconds }: Named,
  { transact }: Pick<Given<'postgres' | 'secrets', 'caller'>, 'transact'>,
): Promise<{ server: Server; secrets: ReadonlyMap<string, string> }> {
  const access = await transact('read', (reading) => readAccess({ name, url, headers }, reading))
  return { server: serverOf({ url, headers, timeout_seconds }, access), secrets: access.secrets }
}

export function serverOf(
  { url, headers, timeout_seconds }: Omit<Named, 'name'>,
  { allow, secrets }: { allow: readonly string[]; secrets: ReadonlyMap<string, string> },
): Server {
  const lowerCased = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])
  return {
    url,
    headers: withSecrets(Object.fromEntries(lowerCased), secrets),
    allow,
    timeoutSeconds: timeout_seconds,
  }
}

/** Runs `work`; of what it fails with, secrets that a server has sent back are hidden. */
export async function withoutSecretsOf<T>(redactor: Redactor, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const facts = redactor.json(error.facts) as Failure['facts'] // reason: hiding texts changes no shape
    throw new Failure(error.code, redactor.text(error.message), facts)
  }
}

export type Calling = Pick<Call, 'requestOutside' | 'signal'> &
  Pick<Given<'postgres' | 'secrets', 'caller'>, 'transact'>
