/** What clients of MCP read to learn how to authenticate: of the resource (RFC 9728), and of the authorization server (RFC 8414). */

export const SCOPES_OF_KEYS = { read: ['api_key:read'], write: ['api_key:write'] } as const

/** @param origin of the platform, such as `https://kgents.example` */
export function resource(origin: string) {
  return {
    resource: `${origin}/mcp`,
    resource_name: 'kgents',
    authorization_servers: [origin],
    bearer_methods_supported: ['header'],
    jwks_uri: `${origin}/.well-known/jwks.json`,
    resource_documentation: `${origin}/docs`,
  }
}

/** There is no authorization endpoint: programs exchange what they have, and people approve devices. */
export function authorizationServer(origin: string) {
  return {
    issuer: origin,
    token_endpoint: `${origin}/v1/auth/token`,
    device_authorization_endpoint: `${origin}/v1/auth/device`,
    jwks_uri: `${origin}/.well-known/jwks.json`,
    response_types_supported: [],
    grant_types_supported: [
      'urn:ietf:params:oauth:grant-type:device_code',
      'urn:ietf:params:oauth:grant-type:token-exchange',
      'urn:ietf:params:oauth:grant-type:jwt-bearer',
    ],
    token_endpoint_auth_methods_supported: ['none'],
  }
}
