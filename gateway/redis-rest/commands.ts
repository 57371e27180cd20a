/** Reads Redis commands from a request body, and keeps out those that would disturb the shared connection. */
import { z } from 'zod'

/** The command's name and its arguments. */
export type Command = [name: string, ...args: string[]]

/** A body that holds no commands, or some that are not for sharing; its message is for the caller. */
export class BadCommand extends Error {
  override readonly name = 'BadCommand'
}

/** They wait, change what the connection is, or answer without a request: every request shares one connection. */
const NEEDS_OWN_CONNECTION = new Set(
  (
    'auth hello select quit reset client multi exec discard watch unwatch monitor sync psync shutdown ' +
    'subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe wait waitaof ' +
    'blpop brpop brpoplpush blmove blmpop bzpopmin bzpopmax bzmpop'
  ).split(' '),
)

/** Those that wait only with an option. */
const MAY_BLOCK = new Set(['xread', 'xreadgroup'])

const Body = z.array(z.unknown()).nonempty()

/** One command: a JSON array such as `["SET", "key", "value"]`. */
export function readCommand(body: unknown): Command {
  const parsed = Body.safeParse(body)
  if (!parsed.success) throw new BadCommand('the body is not a command, such as ["GET", "key"]')
  const [name, ...args] = parsed.data.map(asArgument) as Command // as long as the input, which is not empty
  const known = name.toLowerCase()
  const blocks = MAY_BLOCK.has(known) && args.some((arg) => arg.toLowerCase() === 'block')
  if (blocks || NEEDS_OWN_CONNECTION.has(known)) throw new BadCommand(`"${name}" is not available over REST`)
  return [name, ...args]
}

/** Several commands: a JSON array of arrays. */
export function readCommands(body: unknown): Command[] {
  const parsed = Body.safeParse(body)
  if (!parsed.success) throw new BadCommand('the body is not a list of commands, such as [["GET", "key"]]')
  return parsed.data.map(readCommand)
}

/** Redis knows strings only; what is no string is sent as its JSON text, as the client library does. */
function asArgument(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
