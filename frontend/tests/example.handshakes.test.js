// The worked example, byte for byte: keys, certificates, tickets, handshakes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { equal, fromBase32, fromText, toBase32, toHex } from "../services/bytes.js";
import { readCertificate } from "../services/certificate.js";
import { isNodeId, nodeFromText, nodeText } from "../services/identity.js";
import { Handshake } from "../services/noise.js";
import { derive, rawKey } from "../services/primitives.js";
import { readProof, writeProof } from "../services/proof.js";
import { readRedeemed, readTicket, ticketPsk } from "../services/ticket.js";
import { ManualRuntime, epoch, hex, identity, text, x25519 } from "./support.js";

/** @typedef {import("../services/bytes.js").Bytes} Bytes */

test("keys of the network follow from its root", async () => {
  assert.equal(toHex(await derive("dawn/1 psk", hex("root"))), text("PSK"));
  assert.equal(toHex(await derive("dawn/1 network key", hex("root"))), text("network key seed"));
});

for (const node of ["A", "B", "C"]) {
  test(`NodeId of ${node} and its text`, async () => {
    assert.ok(isNodeId(hex(`${node} NodeId`)));
    assert.equal(nodeText(hex(`${node} NodeId`)), text(`${node} NodeId as text`));
    assert.ok(equal(/** @type {Bytes} */ (nodeFromText(text(`${node} NodeId as text`))), hex(`${node} NodeId`)));
    assert.equal(toHex(await rawKey((await x25519(hex(`${node} static private key`))).publicKey)), text(`${node} static public key`));
  });
}

test("certificates hold for their node, network and time alone", async () => {
  const [encoded, network, node] = [hex("A certificate"), hex("network public key"), hex("A NodeId")];
  const certificate = await readCertificate(encoded, network, node, epoch);
  assert.equal(certificate?.role, "member");
  assert.equal(certificate?.notAfter, Date.UTC(2030, 0, 31));
  assert.equal(await readCertificate(encoded, network, hex("B NodeId"), epoch), null);
  assert.equal(await readCertificate(encoded, hex("B NodeId"), node, epoch), null);
  assert.equal(await readCertificate(encoded, network, node, Date.UTC(2030, 0, 31)), null);
  for (let i = 0; i < encoded.length; i++) {
    const altered = encoded.slice();
    altered[i] ^= 1;
    assert.equal(await readCertificate(altered, network, node, epoch), null, `byte ${i}`);
  }
});

test("the ticket is read, and its key derived", async () => {
  const ticket = readTicket(text("ticket"), epoch);
  assert.deepEqual([ticket.role, ticket.network, ticket.addresses, ticket.notAfter], ["browser", "home", ["wss://a.example"], epoch + 7_200_000]);
  assert.ok(equal(ticket.issuer, hex("A NodeId")));
  assert.equal(toHex(await ticketPsk(ticket)), text("redeem PSK"));
  assert.equal("dawn1" + toBase32(hex("ticket bytes")), text("ticket"));
  assert.equal(toHex(/** @type {Bytes} */ (fromBase32(text("ticket").slice(5)))), text("ticket bytes"));
  assert.throws(() => readTicket(text("ticket"), epoch + 7_200_000), { code: "ticket-expired" });
  assert.throws(() => readTicket(text("ticket").slice(0, -2), epoch), { code: "ticket-malformed" });
  assert.throws(() => readTicket("hello", epoch), { code: "ticket-malformed" });
});

test("the issuer's answer is believed when all of it holds", async () => {
  const body = hex("redeemed body");
  const network = await readRedeemed(body, hex("C NodeId"), epoch);
  assert.equal(network.name, "home");
  assert.equal(toHex(network.psk), text("PSK"));
  assert.equal(toHex(network.key), text("network public key"));
  assert.equal(network.certificate.role, "browser");
  assert.equal(network.certificate.notAfter, Date.UTC(2030, 0, 2));
  await assert.rejects(readRedeemed(hex("redeemed body, refused"), hex("C NodeId"), epoch), { code: "ticket-spent", message: "spent" });
  await assert.rejects(readRedeemed(body, hex("A NodeId"), epoch), { code: "protocol" });
  await assert.rejects(readRedeemed(body.subarray(0, body.length - 1), hex("C NodeId"), epoch), { code: "protocol" });
});

/** Both sides of a handshake of the example, each against the bytes of the page. @param {string} name @param {"link" | "session"} label @param {string} initiator @param {string} responder */
async function replay(name, label, initiator, responder) {
  /** @param {string} node @param {string} certificate @returns {Promise<import("../services/proof.js").Credentials>} */
  const credentials = async (node, certificate) => ({
    identity: await identity(hex(`${node} identity seed`), hex(`${node} NodeId`)),
    staticKey: await x25519(hex(`${node} static private key`)),
    psk: hex(`${name} PSK`),
    network: hex("network public key"),
    certificate: certificate === "" ? new Uint8Array(0) : hex(certificate),
    runtime: new ManualRuntime(),
  });
  const [us, them] = [await credentials(initiator, initiator === "C" ? "" : `${initiator} certificate`), await credentials(responder, `${responder} certificate`)];
  const first = await Handshake.begin("initiator", us.staticKey, await x25519(hex(`${name} initiator's ephemeral private key`)), us.psk, hex(`${name} prologue`));
  const second = await Handshake.begin("responder", them.staticKey, await x25519(hex(`${name} responder's ephemeral private key`)), them.psk, hex(`${name} prologue`));

  assert.equal(toHex(await first.write(async () => new Uint8Array(0))), text(`${name} message 1`));
  assert.equal(toHex(first.hash), text(`${name} h after message 1`));
  assert.equal((await second.read(hex(`${name} message 1`))).payload.length, 0);

  const message2 = await second.write(async hash => {
    assert.equal(toHex(hash), text(`${name} h that proof 2 signs`));
    return writeProof(hash, "responder", label, them);
  });
  assert.equal(toHex(message2), text(`${name} message 2`));

  // A forgery changes nothing.
  const forged = message2.slice();
  forged[100] ^= 1;
  await assert.rejects(first.read(forged));
  const { payload, hash } = await first.read(message2);
  assert.equal(toHex(payload), text(`${name} message 2 payload`));
  const remote = await readProof(payload, hash, "responder", label, us, them.identity.id);
  assert.ok(equal(remote.node, them.identity.id));
  await assert.rejects(readProof(payload, hash, "responder", label, us, us.identity.id), { code: "wrong-node" });
  await assert.rejects(readProof(payload, hash, "initiator", label, us, null), { code: "protocol" });
  await assert.rejects(readProof(payload, hash, "responder", label === "link" ? "session" : "link", us, null), { code: "protocol" });
  await assert.rejects(readProof(payload, hash, "responder", label, them, null), { code: "protocol" });

  assert.equal(toHex(await first.write(hash => writeProof(hash, "initiator", label, us))), text(`${name} message 3`));
  await second.read(hex(`${name} message 3`));
  const [ours, theirs] = [await first.split(), await second.split()];
  assert.equal(toHex(ours.hash), text(`${name} h after message 3`));
  assert.equal(toHex(ours.send), text(`${name} key of the initiator`));
  assert.equal(toHex(ours.receive), text(`${name} key of the responder`));
  assert.deepEqual([ours.send, ours.receive, ours.secret], [theirs.receive, theirs.send, theirs.secret]);
  return ours;
}

test("the link's handshake", async () => void await replay("link", "link", "A", "B"));
test("the link's rekeying", async () => void await replay("link rekey", "link", "A", "B"));
test("the ticket's handshake", async () => void await replay("redeem", "link", "C", "A"));
test("the session's handshake", async () => {
  const split = await replay("session", "session", "A", "B");
  assert.equal(toHex(split.secret), text("session secret of the salts"));
});
test("the session's rekeying", async () => void await replay("session rekey", "session", "A", "B"));

test("labels are text, not numbers", () => assert.equal(toHex(fromText("dawn/1 session")), text("session prologue").slice(0, 28)));
