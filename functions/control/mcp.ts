/**
 * `mcp` serves AGENTESE to clients of the Model Context Protocol (revisions 2026-07-28 and 2025-11-25): streamable HTTP without a
 * session, so that any replica answers any message. Three tools reach every path, and a key may have more that its tenant chose; each
 * call runs as its caller, on the function that serves the path.
 */
import { z } from 'zod'
import { NoInput } from '../../shared/contract/define-node.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { authorizationServer, resource, SCOPES_OF_KEYS } from './mcp/metadata.ts'
import { isCall, Message, serveMessage, statusOf } from './mcp/serve.ts'
import { NewPins, Pins, readPins, replacePins } from './mcp/pins.ts'

/** What the metadata of a resource has (RFC 9728, 2). */
const Resource = z.strictObject({
  resource: z.string(),
  resource_name: z.string(),
  authorization_servers: z.array(z.string()),
  bearer_methods_supported: z.array(z.string()),
  jwks_uri: z.string(),
  resource_documentation: z.string(),
})
const ABOUT = { auth: 'none', needs: ['sign-in'], input: NoInput } as const

export const mcp = defineOperation({
  name: 'mcp',
  summary: 'Serves AGENTESE to clients of the Model Context Protocol',
  database: 'central',
  routes: {
    call: route({
      route: 'POST /mcp',
      summary: 'One message of the Model Context Protocol, by streamable HTTP without a session',
      scopes: [],
      needs: ['postgres', 'catalog', 'functions', 'jobs'],
      body: 'json-rpc',
      errors: 'mcp',
      input: z.strictObject({ message: Message, headers: z.record(z.string(), z.string()) }),
      output: z.unknown().describe('A response of JSON-RPC; nothing to a notification'),
      counts: ({ message }) => isCall(message),
      status: statusOf,
      statuses: [200, 202, 400, 404],
      transaction: false,
      handle: (input, call) => serveMessage(input, call),
    }),

    resource: route({
      route: 'GET /.well-known/oauth-protected-resource',
      summary: 'What opens the platform to clients of MCP (RFC 9728)',
      ...ABOUT,
      output: Resource,
      handle: (_input, { browser }) => resource(browser.origin),
    }),

    resourceOfPath: route({
      route: 'GET /.well-known/oauth-protected-resource/mcp',
      summary: 'The same, at the address that clients derive from /mcp',
      ...ABOUT,
      output: Resource,
      handle: (_input, { browser }) => resource(browser.origin),
    }),

    authorizationServer: route({
      route: 'GET /.well-known/oauth-authorization-server',
      summary: 'Where tokens come from, and by which grants (RFC 8414)',
      ...ABOUT,
      output: z.looseObject({ issuer: z.string(), token_endpoint: z.string() }),
      handle: (_input, { browser }) => authorizationServer(browser.origin),
    }),

    pins: route({
      route: 'GET /v1/mcp/keys/:key/tools',
      summary: 'The tools that an API key has on /mcp besides those of everybody',
      permission: 'agentese:read',
      scopes: SCOPES_OF_KEYS.read,
      needs: ['postgres'],
      input: z.strictObject({ key: z.uuid() }),
      output: Pins,
      handle: ({ key }, call) => readPins(key, call),
    }),

    pin: route({
      route: 'PUT /v1/mcp/keys/:key/tools',
      summary: 'Choose the paths that an API key has as tools on /mcp; those before are gone',
      permission: 'agentese:read',
      scopes: SCOPES_OF_KEYS.write,
      needs: ['postgres', 'catalog'],
      input: NewPins,
      output: Pins,
      examples: [
        {
          summary: 'Two paths, and nothing else',
          input: {
            key: '0190b0f2-7f2b-7000-8000-000000000001',
            paths: ['void.entropy.sip', 'self.memory.recent'],
          },
        },
      ],
      writes: true,
      handle: (wanted, call) => replacePins(wanted, call),
    }),
  },
})
