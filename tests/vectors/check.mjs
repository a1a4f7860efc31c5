// A second implementation of the formats, with nothing but Node's own crypto: what the Python gate says about the
// vectors is checked against what this says. The formats themselves are in formats.mjs, sealed.mjs and trust.mjs.
//
//     node check.mjs                            checks every vector beside this file, prints counts, exits 1 on a difference
//     node check.mjs seal KEY.jwk TYP           signs standard input and prints the envelope
//     node check.mjs encrypt READER.jwk TYP     encrypts standard input to a reader and prints the compact text
//     node check.mjs decrypt READER.jwk TYP     the content of what standard input holds
//     node check.mjs trust-sign KEY.jwk …       signs a trust payload with several root keys
//     node check.mjs trust-next BEFORE.json     judges the document on standard input as the next one, prints its payload

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { canonical, openEnvelope, readPass, Refused, seal, sha256, taggedBy, unb64 } from "./formats.mjs";
import { decrypt, encrypt } from "./sealed.mjs";
import { openFirst, openNext, readCommand, readTrust, signTrust, trustHash } from "./trust.mjs";

const counts = {};
let differences = 0;

function expect(file, name, got, wanted) {
  counts[file] = (counts[file] ?? 0) + 1;
  if (canonical(got) === canonical(wanted)) return;
  differences += 1;
  console.error(`${file}: ${name}: got ${canonical(got)}, wanted ${canonical(wanted)}`);
}

function outcome(work) {
  try {
    return work();
  } catch (error) {
    if (error instanceof Refused) return { refused: error.code };
    throw error;
  }
}

const vectors = (file) => JSON.parse(readFileSync(fileURLToPath(new URL(file, import.meta.url)), "utf8"));

function checkEnvelopes() {
  const { typ, keys, cases } = vectors("envelopes.json");
  for (const { name, alg, envelope, payload, refused } of cases) {
    const got = outcome(() => ({ payload: openEnvelope(envelope, typ, [keys[alg]]).toString("base64url") }));
    expect("envelopes.json", `${alg}: ${name}`, got, refused ? { refused } : { payload });
  }
}

function checkPasses() {
  const { group_keys: keys, good, bad } = vectors("qr_passes.json");
  for (const { name, text, tagged_by: tagged, ...wanted } of good) {
    expect("qr_passes.json", name, readPass(text), wanted);
    for (const [group, key] of Object.entries(keys))
      expect("qr_passes.json", `${name}, ${group}`, taggedBy(wanted.token, unb64(key)), tagged.includes(group));
  }
  for (const { name, text, refused } of bad) expect("qr_passes.json", name, outcome(() => readPass(text)), { refused });
}

function checkLists() {
  const { keys, good } = vectors("lists.json");
  for (const { name, payload, hash, envelopes } of good) {
    expect("lists.json", name, sha256(payload).toString("hex"), hash);
    expect("lists.json", `${name}, canonical`, canonical(JSON.parse(payload)), payload);
    for (const [alg, envelope] of Object.entries(envelopes))
      expect("lists.json", `${name}, ${alg}`, openEnvelope(envelope, "zs-list-1", [keys[alg]]).toString(), payload);
  }
}

function checkEvents() {
  const { genesis, opening, good } = vectors("events.json");
  let previous = genesis;
  for (const { event, bytes, prev, hash } of good) {
    expect("events.json", `${event.seq} bytes`, canonical(event), bytes);
    expect("events.json", `${event.seq} prev`, prev, previous);
    previous = sha256(Buffer.from(previous, "hex"), bytes).toString("hex");
    expect("events.json", `${event.seq} hash`, previous, hash);
  }
  const { nonce, grant, credential, who } = opening;
  expect("events.json", "who", sha256(Buffer.from(nonce, "hex"), `${grant}\0${credential}`).toString("hex"), who);
}

/** Envelopes around one JSON object each: the payload must be that object's canonical bytes. */
function checkSigned(file, member) {
  const { typ, key, good } = vectors(file);
  for (const [index, row] of good.entries())
    expect(file, index, openEnvelope(row.envelope, typ, [key]).toString(), canonical(row[member]));
}

function checkTrusts() {
  const { good, bad, documents } = vectors("trusts.json");
  for (const { payload } of good) expect("trusts.json", "good", canonical(readTrust(payload)), payload);
  for (const { name, payload, refused } of bad)
    expect("trusts.json", name, outcome(() => readTrust(payload)), { refused });
  for (const { alg, first, hash, next, bad: forged } of documents) {
    const before = openFirst(first);
    expect("trusts.json", `${alg}, its name`, trustHash(unb64(JSON.parse(first).payload)), hash);
    expect("trusts.json", `${alg}, the next`, openNext(next, before).version, before.version + 1);
    for (const { name, document, refused } of forged)
      expect("trusts.json", `${alg}: ${name}`, outcome(() => openNext(document, before)), { refused });
  }
}

function checkEncrypted() {
  const { typ, readers, cases } = vectors("encrypted.json");
  for (const { name, curve, text, content, refused } of cases) {
    const got = outcome(() => ({ content: decrypt(text, typ, readers[curve]).toString("base64url") }));
    expect("encrypted.json", `${curve}: ${name}`, got, refused ? { refused } : { content });
  }
}

function checkCommands() {
  const { typ, keys, readers, good, bad } = vectors("commands.json");
  for (const { command, envelopes, encrypted } of good)
    for (const [alg, envelope] of Object.entries(envelopes)) {
      const payload = openEnvelope(envelope, typ, [keys[alg]]).toString();
      expect("commands.json", `${command.verb}, ${alg}`, canonical(readCommand(payload)), canonical(command));
      for (const [curve, text] of Object.entries(encrypted[alg]))
        expect("commands.json", `${command.verb}, ${curve}`, decrypt(text, typ, readers[curve]).toString(), envelope);
    }
  for (const { name, payload, refused } of bad)
    expect("commands.json", name, outcome(() => readCommand(payload)), { refused });
}

function checkAll() {
  checkEnvelopes();
  checkPasses();
  checkLists();
  checkEvents();
  checkSigned("statements.json", "statement");
  checkSigned("receipts.json", "receipt");
  checkSigned("states.json", "state");
  checkTrusts();
  checkEncrypted();
  checkCommands();
  process.exitCode = differences ? 1 : 0;
  return JSON.stringify(counts);
}

const json = (path) => JSON.parse(readFileSync(path, "utf8"));
const given = () => readFileSync(0);
const [verb, ...rest] = process.argv.slice(2);
const verbs = {
  seal: () => seal(given(), rest[1], json(rest[0])),
  encrypt: () => encrypt(given(), rest[1], json(rest[0])),
  decrypt: () => decrypt(given().toString(), rest[1], json(rest[0])),
  "trust-sign": () => signTrust(given(), rest.map(json)),
  "trust-next": () => canonical(openNext(given().toString(), openFirst(readFileSync(rest[0], "utf8")))),
};
process.stdout.write(verb ? verbs[verb]() : checkAll());
