/** Reads TXT records of names that tenants chose, from name servers that answer within seconds or not at all. */
import { Resolver } from 'node:dns/promises'
import { Failure } from '../failures.ts'

/** Answers of a server that has no such record, as against those that say nothing of it. */
const NONE = new Set(['ENODATA', 'ENOTFOUND'])
const MAX_RECORDS = 100

/**
 * @param servers `address:port` of each; absent is those of the system
 * @throws Failure UPSTREAM_FAILED where no server gives a usable answer
 */
export function createTextResolver(
  servers: readonly string[] | undefined,
): (name: string) => Promise<string[]> {
  let resolver: Resolver | undefined
  return async (name) => {
    resolver ??= openResolver(servers)
    try {
      const records = await resolver.resolveTxt(name)
      return records.slice(0, MAX_RECORDS).map((parts) => parts.join(''))
    } catch (error) {
      if (NONE.has((error as { code?: string }).code ?? '')) return []
      throw new Failure('UPSTREAM_FAILED', `Cannot look up "${name}": no name server gave a usable answer`, {
        suggestion: 'Try again later',
        cause: error,
      })
    }
  }
}

function openResolver(servers: readonly string[] | undefined): Resolver {
  const resolver = new Resolver({ timeout: 2000, tries: 2 })
  if (servers !== undefined) resolver.setServers([...servers])
  return resolver
}
