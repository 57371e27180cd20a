/** Passes headers on, except those about one connection. */
import { isHopByHop } from '../../../shared/hop-by-hop.ts'

/** `raw` (name, value, name, value...) without the hop-by-hop headers and those that `connection` names. */
export function keepEndToEnd(raw: readonly (string | Buffer)[], connection: string | undefined): string[] {
  const named = namedBy(connection)
  const kept: string[] = []
  for (let index = 0; index < raw.length; index += 2) {
    const name = toText(raw[index])
    const lower = name.toLowerCase()
    if (!isHopByHop(lower) && named?.includes(lower) !== true) kept.push(name, toText(raw[index + 1]))
  }
  return kept
}

/** Almost every request says `keep-alive` or nothing, which costs no list. */
function namedBy(connection: string | undefined): string[] | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined
  return connection.split(',').map((name) => name.trim().toLowerCase())
}

function toText(value: string | Buffer | undefined): string {
  return typeof value === 'string' ? value : (value?.toString('latin1') ?? '')
}
