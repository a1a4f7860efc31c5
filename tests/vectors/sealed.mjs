// Encryption to one reader in Node's own crypto: JWE compact, ECDH-ES with A256GCM, on X25519 and P-256.

import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  randomBytes,
} from "node:crypto";

import { canonical, halfSurrogate, Refused, sha256, strictJson, thumbprint, unb64 } from "./formats.mjs";

const ALG = "ECDH-ES";
const ENC = "A256GCM";
const HEADER_CHARS = 768;
const MEMBERS = { "OKP/X25519": ["crv", "kty", "x"], "EC/P-256": ["crv", "kty", "x", "y"] };

const same = (names, wanted) => names.length === wanted.length && wanted.every((name) => names.includes(name));
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** The public members of a key to encrypt to, or Refused. */
export function readerOf(jwk) {
  if (!isObject(jwk)) throw new Refused("bad_key");
  const names = MEMBERS[`${jwk.kty}/${jwk.crv}`];
  if (!names) throw new Refused("bad_key");
  for (const name of ["x", "y"].slice(0, names.length - 2))
    if (typeof jwk[name] !== "string" || unb64(jwk[name]).length !== 32) throw new Refused("bad_key");
  const reader = Object.fromEntries(names.map((name) => [name, jwk[name]]));
  try {
    createPublicKey({ key: reader, format: "jwk" });
  } catch {
    throw new Refused("bad_key"); // not a point of its curve
  }
  return reader;
}

/** RFC 7518 section 4.6.2 with one round: the key for A256GCM out of what both sides computed. */
function contentKey(privateKey, publicKey) {
  const number = (value) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const agreed = diffieHellman({ privateKey, publicKey });
  return sha256(number(1), agreed, number(ENC.length), ENC, number(0), number(0), number(256));
}

export function encrypt(content, typ, publicJwk) {
  const reader = readerOf(publicJwk);
  const made = reader.kty === "OKP" ? generateKeyPairSync("x25519") : generateKeyPairSync("ec", { namedCurve: "P-256" });
  const epk = readerOf(made.publicKey.export({ format: "jwk" }));
  const header = { alg: ALG, enc: ENC, epk, kid: thumbprint(reader), typ };
  const protectedText = Buffer.from(canonical(header)).toString("base64url");
  const key = contentKey(made.privateKey, createPublicKey({ key: reader, format: "jwk" }));
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.from(protectedText));
  const ciphertext = Buffer.concat([cipher.update(content), cipher.final()]);
  const rest = [iv, ciphertext, cipher.getAuthTag()].map((part) => part.toString("base64url"));
  return [protectedText, "", ...rest].join(".");
}

/** The content of a `typ` encrypted to the holder of `privateJwk`, or Refused. */
export function decrypt(text, typ, privateJwk) {
  const own = readerOf(privateJwk);
  const parts = text.split(".");
  if (parts.length !== 5 || parts[1] || parts[0].length > HEADER_CHARS || !/^[\x00-\x7f]*$/.test(text))
    throw new Refused("not_encrypted");
  const header = strictJson(unb64(parts[0]).toString());
  if (!isObject(header) || halfSurrogate(header)) throw new Refused("not_json");
  const [iv, ciphertext, tag] = parts.slice(2).map(unb64);
  if (!same(Object.keys(header), ["alg", "enc", "epk", "kid", "typ"])) throw new Refused("bad_header");
  if (header.alg !== ALG || header.enc !== ENC) throw new Refused("bad_header");
  if (header.typ !== typ) throw new Refused("wrong_type");
  if (header.kid !== thumbprint(own)) throw new Refused("wrong_recipient");
  if (!isObject(header.epk) || !same(Object.keys(header.epk), Object.keys(own))) throw new Refused("bad_header");
  const epk = readerOf(header.epk);
  if (epk.crv !== own.crv) throw new Refused("bad_header");
  if (iv.length !== 12 || tag.length !== 16) throw new Refused("bad_ciphertext");
  try {
    const key = contentKey(
      createPrivateKey({ key: privateJwk, format: "jwk" }),
      createPublicKey({ key: epk, format: "jwk" }),
    );
    const decipher = createDecipheriv("aes-256-gcm", key, iv).setAAD(Buffer.from(parts[0])).setAuthTag(tag);
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  } catch {
    throw new Refused("bad_ciphertext");
  }
}
