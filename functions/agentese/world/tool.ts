/**
 * `world.tool`: HTTP interfaces, and tools of servers of MCP, that a tenant makes into verbs. A tool is a contract, with schemas of what goes in and what
 * comes out; where it may go is the fence's to say (`shared/egress/fenced-request.ts`), and what it may send of secrets, an
 * admin's.
 */
import { defineNode } from '../../../shared/contract/define-node.ts'
import { allow, secret } from './tool/admit.ts'
import { define, remove } from './tool/define.ts'
import { invoke } from './tool/invoke.ts'
import { importServer } from './tool/mcp/import.ts'
import { refresh } from './tool/mcp/refresh.ts'
import { list, manifest } from './tool/read.ts'

export const worldTool = defineNode('world.tool', {
  summary: 'HTTP interfaces as tools with a contract',
  aspects: {
    manifest,
    define,
    list,
    remove,
    invoke,
    import: importServer,
    refresh,
    secret,
    allow,
  },
})
