/** Signs statements of the platform, which anybody can verify with its public keys, now and later. */
import { importJWK, SignJWT, type JWK } from 'jose'
import { Failure } from '../failures.ts'
import { newId } from '../new-id.ts'

/** Says in the header of a statement that it is one. */
const TYPE = 'kgents-statement+jwt'

/** Signs what the platform says about a subject: a JWT that is good for no call. */
export type Attest = (
  subject: string,
  audience: string,
  statement: Record<string, unknown>,
) => Promise<string>

/** A statement names another audience than tokens do, so none is taken for a token; it has no end. */
export function createAttester(key: JWK | undefined, issuer: string): Attest {
  let imported: ReturnType<typeof importJWK> | undefined
  return async (subject, audience, statement) => {
    if (key === undefined) throw new Failure('INTERNAL', 'This function was not given PLATFORM_SIGNING_KEY')
    const { alg = 'EdDSA', kid = '' } = key
    return new SignJWT(statement)
      .setProtectedHeader({ alg, kid, typ: TYPE })
      .setSubject(subject)
      .setIssuer(issuer)
      .setAudience(audience)
      .setIssuedAt()
      .setJti(newId())
      .sign(await (imported ??= importJWK(key, alg)))
  }
}
