// An echo on Node's ssh2: `node_echo.js MODULE PORT HOST_KEY AUTHORIZED_KEYS`.
"use strict";

const { readFileSync } = require("fs");
const { timingSafeEqual } = require("crypto");

const [, , module_, port, hostKey, authorizedKeys] = process.argv;
const { Server, utils } = require(module_);
const allowed = utils.parseKey(readFileSync(authorizedKeys));

function isAllowed(context) {
  const known = allowed.getPublicSSH();
  return (
    context.method === "publickey" &&
    context.key.algo === allowed.type &&
    context.key.data.length === known.length &&
    timingSafeEqual(context.key.data, known) &&
    (!context.signature ||
      allowed.verify(context.blob, context.signature, context.hashAlgo) === true)
  );
}

new Server({ hostKeys: [readFileSync(hostKey)] }, (client) => {
  client.on("authentication", (context) =>
    isAllowed(context) ? context.accept() : context.reject(["publickey"]),
  );
  client.on("session", (accept) =>
    accept().on("shell", (accept) => {
      const stream = accept();
      stream.pipe(stream);
    }),
  );
  client.on("error", () => {}); // who hangs up is no error of ours
}).listen(Number(port), "127.0.0.1");
