// The formats in Node, with nothing but its own crypto: JSON and base64url, envelopes, QR passes. Every reader returns a
// value or throws Refused with the code of the refusal, as the Python readers do.

import { createHash, createHmac, createPrivateKey, createPublicKey, sign, timingSafeEqual, verify } from "node:crypto";

const HEADER_CHARS = 512;
const PASS_EPOCH_S = 1704067200; // 2024-01-01T00:00:00Z
const TAG_BYTES = [0, 16, 10, 6];

export class Refused extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

// ---- JSON and base64url with one accepted spelling ----

/** JSON.parse keeps the last of two members with one name; this refuses them. */
export function strictJson(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refused("not_json");
  }
  refuseDuplicates(text);
  return value;
}

function refuseDuplicates(text) {
  const open = []; // a Set of names for each object we are in, null for each array
  let name = null;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:]/g)) {
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(null);
    else if (token === "}" || token === "]") open.pop();
    else if (token !== ":") name = JSON.parse(token);
    else {
      if (open.at(-1).has(name)) throw new Refused("duplicate_member");
      open.at(-1).add(name);
    }
  }
}

export function unb64(text) {
  const bytes = Buffer.from(text, "base64url");
  if (bytes.toString("base64url") !== text) throw new Refused("bad_base64");
  return bytes;
}

/** RFC 8785 for what the formats hold: objects, arrays, texts, whole numbers, booleans and null. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

export const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();

// ---- envelope ----

export function thumbprint(jwk) {
  const { crv, kty, x, y } = jwk;
  return sha256(canonical(kty === "OKP" ? { crv, kty, x } : { crv, kty, x, y })).toString("base64url");
}

export const algorithm = (jwk) => (jwk.kty === "OKP" ? "Ed25519" : "ES256");
const digest = (jwk) => (jwk.kty === "OKP" ? null : "sha256");
// JWS wants r and s side by side; Node's default is DER.
const asJws = (key) => ({ key, dsaEncoding: "ieee-p1363" });

export function seal(payload, typ, privateJwk) {
  const header = { alg: algorithm(privateJwk), kid: thumbprint(privateJwk), typ };
  const protectedText = Buffer.from(canonical(header)).toString("base64url");
  const body = payload.toString("base64url");
  const key = createPrivateKey({ key: privateJwk, format: "jwk" });
  const signature = sign(digest(privateJwk), Buffer.from(`${protectedText}.${body}`), asJws(key));
  return canonical({ payload: body, protected: protectedText, signature: signature.toString("base64url") });
}

export const hasExactly = (object, names) =>
  object !== null &&
  typeof object === "object" &&
  !Array.isArray(object) &&
  Object.keys(object).length === names.length &&
  names.every((name) => typeof object[name] === "string");

/** The payload of an envelope signed for `typ` by one of `jwks`, or Refused. */
export function openEnvelope(text, typ, jwks) {
  const envelope = strictJson(text);
  if (!hasExactly(envelope, ["payload", "protected", "signature"])) throw new Refused("bad_members");
  if (envelope.protected.length > HEADER_CHARS || envelope.signature.length !== 86) throw new Refused("bad_header");
  const header = strictJson(unb64(envelope.protected).toString());
  if (header === null || typeof header !== "object" || Array.isArray(header)) throw new Refused("not_json");
  if (halfSurrogate(header)) throw new Refused("not_json");
  if (!hasExactly(header, ["alg", "kid", "typ"])) throw new Refused("bad_header");
  if (header.typ !== typ) throw new Refused("wrong_type");
  const jwk = jwks.find((candidate) => thumbprint(candidate) === header.kid);
  if (!jwk) throw new Refused("unknown_key");
  if (header.alg !== algorithm(jwk)) throw new Refused("wrong_algorithm");
  const signature = unb64(envelope.signature);
  if (!/^[\x00-\x7f]*$/.test(envelope.payload)) throw new Refused("bad_base64");
  const signed = Buffer.from(`${envelope.protected}.${envelope.payload}`);
  const key = createPublicKey({ key: jwk, format: "jwk" });
  if (!verify(digest(jwk), signed, asJws(key), signature)) throw new Refused("bad_signature");
  return unb64(envelope.payload);
}

export const halfSurrogate = (header) => Object.entries(header).flat().some((text) => !String(text).isWellFormed());

// ---- QR pass ----

function base32(text) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  let bits = "";
  for (const letter of text) {
    const value = alphabet.indexOf(letter);
    if (value < 0) throw new Refused("malformed");
    bits += value.toString(2).padStart(5, "0");
  }
  return Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
}

export function readPass(text) {
  if (!text.startsWith("ZS1:") || text.length !== 60) throw new Refused("malformed");
  const token = base32(text.slice(4));
  const tags = token[0] & 0x0f;
  if (token[0] >> 4 !== 1 || tags > 3) throw new Refused("malformed");
  if (tags && token.subarray(15 + tags * TAG_BYTES[tags]).some((byte) => byte !== 0)) throw new Refused("malformed");
  const startS = PASS_EPOCH_S + 60 * token.readUIntBE(6, 3);
  const minutes = token.readUInt16BE(9);
  const number = token.readUInt32BE(11);
  return {
    token: token.toString("hex"),
    credential: token.subarray(1, 6).toString("hex"),
    start_s: startS,
    until_s: startS + 60 * minutes,
    length_minutes: minutes,
    number,
    list_hash: sha256("zs-qr", token).subarray(0, 16).toString("base64url"),
    may_stand_alone: tags > 0 && minutes > 0 && minutes <= 24 * 60 && startS <= number + 7 * 86400,
  };
}

export function taggedBy(tokenHex, key) {
  const token = Buffer.from(tokenHex, "hex");
  const tags = token[0] & 0x0f;
  const size = TAG_BYTES[tags];
  const mac = createHmac("sha256", key).update("zs-pass-1\0").update(token.subarray(0, 15)).digest();
  const places = [...Array(tags).keys()].map((index) => 15 + index * size);
  return places.some((at) => timingSafeEqual(token.subarray(at, at + size), mac.subarray(0, size)));
}
