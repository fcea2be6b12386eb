// A pod's NATS client: it shows the projected token, and stays connected when a login ends.
import { readFileSync } from "node:fs";
import { connect, credsAuthenticator, tokenAuthenticator } from "@nats-io/transport-node";

const file = process.env.NATS_TOKEN_FILE ?? "/var/run/secrets/nats/token";

function readToken() {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    console.error("no token:", error.message); // the login is refused, and tried again; a throw would end the client
    return "";
  }
}

// The inbox prefix that is the pod's own; with NATS_RESPONSE_MAX=0 a dot follows "_INBOX_".
function privateInbox(token) {
  try {
    const claims = JSON.parse(Buffer.from(token.split(".")[1], "base64url"))["kubernetes.io"];
    return `_INBOX_${claims.namespace}_${claims.serviceaccount.name.replaceAll(".", "_")}`;
  } catch {
    console.error("the token's file holds no token of a ServiceAccount"); // the error itself would quote it
    process.exit(1);
  }
}

let attempts = 0; // logins since one has succeeded
const authenticator = [tokenAuthenticator(() => (attempts++, readToken()))]; // called at each login
if (process.env.NATS_SENTINEL_CREDS) {
  authenticator.push(credsAuthenticator(() => readFileSync(process.env.NATS_SENTINEL_CREDS)));
}

// The pause is drawn at random and grows with each refusal, so a fleet does not come back all at once.
const pause = () => Math.random() * Math.min(30_000, 500 * 2 ** attempts);

const servers = (process.env.NATS_URL ?? "nats://nats.nats-system.svc.cluster.local:4222").split(",");
const nc = await connect({
  servers,
  tls: servers.some((server) => server.startsWith("tls://")) ? {} : undefined, // `tls://` alone would not insist on it
  authenticator,
  inboxPrefix: process.env.NATS_INBOX_PREFIX ?? privateInbox(readToken()),
  maxReconnectAttempts: -1,
  waitOnFirstConnect: true, // the first login too is tried for ever
  ignoreAuthErrorAbort: true, // without it one refusal after an expiry closes the connection for good
  reconnectDelayHandler: pause,
  timeout: 5_000, // the server gives the callout two seconds
  pingInterval: 20_000,
});

attempts = 0;
(async () => {
  for await (const status of nc.status()) {
    if (status.type === "reconnect") attempts = 0;
    if (status.type === "error") console.error(status.error.message);
  }
})();

// Subscriptions outlast reconnections. Each order is a question to orders.stock.
nc.subscribe("orders.created", {
  callback: async (_, order) => {
    try {
      const answer = await nc.request("orders.stock", order.data, { timeout: 2_000 });
      console.log(`order ${order.string()}: ${answer.string()}`);
    } catch (error) {
      console.error(`order ${order.string()}: ${error.message}`);
    }
  },
});
