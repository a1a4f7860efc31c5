// Trust documents and commands in Node: what a payload may say, and which document may follow which.

import { createPublicKey } from "node:crypto";

import { canonical, openEnvelope, Refused, seal, sha256, strictJson, thumbprint, unb64 } from "./formats.mjs";
import { readerOf } from "./sealed.mjs";

const TYP = "zs-trust-1";
const PURPOSES = ["list", "receipt", "command", "collect", "update"];

// ---- what a value must be; anything else is bad_schema ----

const need = (holds) => {
  if (!holds) throw new Refused("bad_schema");
};
const whole = (from, to) => (value) => need(Number.isInteger(value) && value >= from && value <= to);
const text = (pattern) => (value) => need(typeof value === "string" && pattern.test(value));
const oneOf = (...words) => (value) => need(words.includes(value));
const KINDS = ["renter", "cleaning", "technical", "supplier", "facility", "emergency"];
const DAY_S = 86400;

const orNull = (check) => (value) => value === null || check(value);
const list = (check, from, to) => (value) => {
  need(Array.isArray(value) && value.length >= from && value.length <= to);
  value.forEach(check);
};
const texts = (value) => {
  need(value !== null && typeof value === "object" && !Array.isArray(value));
  Object.values(value).forEach(text(/^/));
};
const object = (members, optional = {}) => (value) => {
  need(value !== null && typeof value === "object" && !Array.isArray(value));
  need(Object.keys(members).every((name) => Object.hasOwn(value, name)));
  for (const name of Object.keys(value)) {
    need(Object.hasOwn(members, name) || Object.hasOwn(optional, name));
    (members[name] ?? optional[name])(value[name]);
  }
};

const INSTANT = whole(0, 2 ** 40);
const DOOR = text(/^[a-z0-9-]{1,40}$(?!\n)/);
const NONCE = text(/^[0-9a-f]{32}$(?!\n)/);
const WORDS = text(/^[ -~]{1,100}$(?!\n)/);

const TRUST = object({
  version: whole(1, Number.MAX_SAFE_INTEGER),
  epoch: whole(1, Number.MAX_SAFE_INTEGER),
  issued: INSTANT,
  expires: INSTANT,
  threshold: whole(2, 16),
  roots: list(texts, 2, 16),
  keys: list(
    object(
      {
        jwk: texts,
        purpose: oneOf(...PURPOSES),
        state: oneOf("active", "retired", "revoked"),
        doors: list(text(/^[a-z0-9-]{0,40}$(?!\n)/), 1, Infinity),
        expires: INSTANT,
      },
      { kinds: list(oneOf(...KINDS), 1, Infinity) },
    ),
    0,
    Infinity,
  ),
  authorities: list(text(/^/), 0, Infinity),
  time_floor: orNull(INSTANT),
});

const SIGNED = object({
  payload: text(/^/),
  signatures: list(object({ protected: text(/^/), signature: text(/^/) }), 1, 32),
});

const COMMAND = object({
  by: WORDS,
  challenge: NONCE,
  door: DOOR,
  reason: WORDS,
  until: orNull(INSTANT),
  verb: oneOf("release", "attended", "lockdown", "resume", "self_test"),
});

// ---- commands ----

export function readCommand(payload) {
  const command = strictJson(payload);
  COMMAND(command);
  need((command.verb === "attended") === (command.until !== null));
  return command;
}

// ---- trust ----

/** The thumbprint of a key that signs, or Refused. */
function signerOf(jwk) {
  const names = { Ed25519: ["x"], "P-256": ["x", "y"] }[jwk.crv];
  if (!names || jwk.kty !== (jwk.crv === "Ed25519" ? "OKP" : "EC")) throw new Refused("bad_key");
  for (const name of names)
    if (typeof jwk[name] !== "string" || unb64(jwk[name]).length !== 32) throw new Refused("bad_key");
  try {
    createPublicKey({ key: jwk, format: "jwk" });
  } catch {
    throw new Refused("bad_key");
  }
  return thumbprint(jwk);
}

export function readTrust(payload) {
  const trust = strictJson(payload);
  TRUST(trust);
  const named = new Set(trust.roots.map(signerOf));
  if (named.size < trust.roots.length || trust.threshold > trust.roots.length) throw new Refused("bad_trust");
  if (trust.expires <= trust.issued || trust.expires > trust.issued + 395 * DAY_S) throw new Refused("bad_trust");
  for (const key of trust.keys) {
    if (key.state === "active" && key.expires > trust.issued + 180 * DAY_S) throw new Refused("bad_trust");
    const kid = key.purpose === "collect" ? thumbprint(readerOf(key.jwk)) : signerOf(key.jwk);
    if (named.has(kid)) throw new Refused("bad_trust");
    named.add(kid);
  }
  return trust;
}

export const trustHash = (payload) => sha256(payload).subarray(0, 16).toString("hex");

/** Who of `roots` signed, counted once each. A signature by nobody we know is refused, unless nobody else is known. */
function signers(signed, roots, others) {
  const known = [...roots, ...(others ?? [])];
  const found = new Set();
  for (const part of signed.signatures) {
    let kid;
    try {
      openEnvelope(canonical({ payload: signed.payload, ...part }), TYP, known);
      kid = strictJson(unb64(part.protected).toString()).kid;
    } catch (error) {
      if (error.code === "unknown_key" && !others) continue;
      throw error;
    }
    if (found.has(kid)) throw new Refused("duplicate_signature");
    found.add(kid);
  }
  return roots.filter((jwk) => found.has(thumbprint(jwk))).length;
}

function readSigned(document) {
  const signed = strictJson(document);
  SIGNED(signed);
  return { signed, trust: readTrust(unb64(signed.payload).toString()) };
}

/** A document on its own: signed by a threshold of its own roots. */
export function openFirst(document) {
  const { signed, trust } = readSigned(document);
  if (signers(signed, trust.roots, null) < trust.threshold) throw new Refused("bad_threshold");
  return trust;
}

/** The document that follows `before`, or Refused. */
export function openNext(document, before) {
  const { signed, trust } = readSigned(document);
  if (signers(signed, before.roots, trust.roots) < before.threshold) throw new Refused("bad_threshold");
  if (signers(signed, trust.roots, before.roots) < trust.threshold) throw new Refused("bad_threshold");
  if (trust.version !== before.version + 1) throw new Refused("trust_gap");
  if (trust.epoch < before.epoch) throw new Refused("epoch_back");
  if (trust.issued < before.issued) throw new Refused("issued_back");
  return trust;
}

/** `payload` signed by each of these private keys. */
export function signTrust(payload, privateJwks) {
  const parts = privateJwks.map((jwk) => JSON.parse(seal(payload, TYP, jwk)));
  const signatures = parts.map(({ protected: head, signature }) => ({ protected: head, signature }));
  return canonical({ payload: payload.toString("base64url"), signatures });
}
