/** A call as a line for the shell. `$URL` and `$KEY` are left to the reader. */
import { takesBody, type Example } from '../../../shared/contract/facts.ts'
import { placeExample, type Route } from './routes.ts'

export function curlOf({ endpoint, url }: Route, example: Example): string {
  const { path, rest } = placeExample(endpoint, example)
  const place = url.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    name in path ? encodeURIComponent(String(path[name])) : `$${name.toUpperCase()}`,
  )
  const hasBody = takesBody(endpoint)
  const members = Object.entries(rest).map(([name, value]): [string, string] => [name, String(value)])
  const query = hasBody ? '' : String(new URLSearchParams(members))
  return [
    'curl -s',
    ...(['DELETE', 'PATCH', 'PUT'].includes(endpoint.method) ? [`-X ${endpoint.method}`] : []),
    `"$URL${place}${query === '' ? '' : `?${query}`}"`,
    ...credentialOf(endpoint),
    ...(hasBody ? ["-H 'Content-Type: application/json'", `-d ${quote(JSON.stringify(rest))}`] : []),
  ].join(' ')
}

function credentialOf({ auth }: Route['endpoint']): string[] {
  if (auth === 'none') return []
  return [auth === 'invitation' ? '-H "Authorization: Bearer $TOKEN"' : '-H "X-API-Key: $KEY"']
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
