/** Imported tools as they are stored: beside each tool, what its server said it is. */
import type { Db } from '../../../../../shared/database/database.ts'
import { Failure } from '../../../../../shared/failures.ts'
import type { ReadTool, RemoteContract } from './contract.ts'

export interface ImportedRow {
  remote: string
  pin: string
  contract: RemoteContract
  protocol: string
  /** ISO 8601. */
  checked_at: string
  /** The pin that it was seen with instead, `gone` where it was not seen; null where all is as it was. */
  changed_to: string | null
}

/** Between two checks of a pin. */
const CHECK_SECONDS = 300

/**
 * Whether the pin of a tool is to be checked, and by this call: of calls at once, one does it.
 */
export async function claimCheck(db: Db, tool: string): Promise<boolean> {
  const claimed = await db`
    update mcp_tools set checked_at = now()
    where tool = ${tool} and checked_at <= now() - make_interval(secs => ${CHECK_SECONDS}) returning tool`
  return claimed.length > 0
}

/** The next call checks the pin. */
export async function makeDue(db: Db, tool: string): Promise<void> {
  await db`update mcp_tools set checked_at = '-infinity' where tool = ${tool}`
}

/** Notes what a tool was seen to be: from now on it is refused, until somebody takes it as it is. */
export async function noteChange(db: Db, tool: string, seen: string | null): Promise<void> {
  await db`update mcp_tools set changed_to = ${seen}, checked_at = now() where tool = ${tool}`
}

/** Takes a tool as its server says it is now. */
export async function pinAnew(db: Db, tool: string, read: ReadTool, protocol: string): Promise<void> {
  await db`
    update tools set description = ${read.description}, input_schema = ${db.json(read.schema)}
    where name = ${tool}`
  await db`
    update mcp_tools set pin = ${read.pin}, contract = ${JSON.stringify(read.contract)}::text::json, protocol = ${protocol},
      checked_at = now(), changed_to = null
    where tool = ${tool}`
}

/** @returns what is refused where a server has changed a tool */
export function changed(tool: string): Failure {
  return new Failure('STATE_CONFLICT', `Cannot use tool "${tool}": its server has changed what it is`, {
    suggestion: 'world.tool.refresh shows the difference, and takes it as it is now',
    details: { tool },
  })
}
