"""lsp_client.py SERVER: a client's dialogue with rill-lsp-server, its answers in short.

initialize, didOpen of a text with a mistake, a change that mends it, hover over
an op, definition of a weight's symbol, shutdown, exit."""
import json
import subprocess
import sys

URI = "file:///model.mlir"
BROKEN = """rill.weight @w from "model.safetensors#layers.0.w" : tensor<8x4xbf16>
func.func @m(%x: tensor<1x4xf32>) -> tensor<1x8xf32> {
  %0 = rill.weight.read @w : tensor<8x4xbf16>
  %1 = rill.linear %x weights(%0) : (tensor<1x4xf32>, tensor<8x4xbf16>) -> tensor<1x8xf32> {
  ^bb0(%a: f32):
    rill.yeild %a : f32
  }
  return %1 : tensor<1x8xf32>
}
"""


class Client:
    def __init__(self, server):
        self.server = subprocess.Popen([server], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL)
        self.number = 0

    def send(self, method, params, number=None):
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        if number is not None:
            message["id"] = number
        body = json.dumps(message).encode()
        self.server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.server.stdin.flush()

    def receive(self):
        length = 0
        while line := self.server.stdout.readline().strip():
            name, value = line.split(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            sys.exit("the server closed its output")
        return json.loads(self.server.stdout.read(length))

    def ask(self, method, params):
        self.number += 1
        self.send(method, params, self.number)
        while (message := self.receive()).get("id") != self.number:
            pass
        if "error" in message:
            sys.exit(f"{method}: {message['error']}")
        return message["result"]

    def diagnostics(self):
        while (message := self.receive()).get("method") != "textDocument/publishDiagnostics":
            pass
        return message["params"]["diagnostics"]


def place(line, character):
    return {"textDocument": {"uri": URI}, "position": {"line": line, "character": character}}


def main():
    client = Client(sys.argv[1])
    capabilities = client.ask("initialize", {"processId": None, "rootUri": None, "capabilities": {}})["capabilities"]
    print("capabilities:", ", ".join(name for name in ("definitionProvider", "hoverProvider") if capabilities[name]))
    client.send("initialized", {})
    client.send("textDocument/didOpen", {"textDocument": {"uri": URI, "languageId": "mlir", "version": 1, "text": BROKEN}})
    for found in client.diagnostics():
        start = found["range"]["start"]
        print(f"diagnostic: line {start['line']} column {start['character']}: {found['message']}")
    mended = BROKEN.replace("yeild", "yield")
    client.send("textDocument/didChange", {"textDocument": {"uri": URI, "version": 2},
                                           "contentChanges": [{"text": mended}]})
    print("mended:", len(client.diagnostics()), "diagnostics")
    hover = client.ask("textDocument/hover", place(3, mended.splitlines()[3].index("rill.linear") + 2))
    print("hover:", hover["contents"]["value"].replace("\n", " "))
    found = client.ask("textDocument/definition", place(2, mended.splitlines()[2].index("@w") + 1))
    print("definition of @w: line", found[0]["range"]["start"]["line"])
    found = client.ask("textDocument/definition", place(3, mended.splitlines()[3].index("%x") + 1))
    print("definition of %x: line", found[0]["range"]["start"]["line"])
    client.ask("shutdown", None)
    client.send("exit", None)
    print("exit code", client.server.wait(20))


if __name__ == "__main__":
    main()
