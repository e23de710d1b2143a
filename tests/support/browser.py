"""A real Chromium without a screen, driven by its own debugging protocol over a WebSocket."""
import atexit
import base64
import json
import os
import shutil
import subprocess
import tempfile
import threading

from web_client import PATIENCE, WebSocket


class Browser:
    def __init__(self, *arguments):
        self.folder = tempfile.mkdtemp(prefix="midibertd-chromium-")
        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
             "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--mute-audio",
             "--remote-debugging-port=0", f"--user-data-dir={self.folder}", *arguments, "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env=dict(os.environ, HOME=self.folder))
        atexit.register(self.close)
        place = None
        for line in self.process.stderr:
            if line.startswith("DevTools listening on ws://"):
                place = line.split("ws://")[1].strip()
                break
        assert place, "Chromium did not start"
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        host, _, path = place.partition("/")
        self.link = WebSocket(int(host.rsplit(":", 1)[1]), "/" + path)
        self.number = 0
        self.page = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.page = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        self.number += 1
        number = self.number
        message = {"id": number, "method": method, "params": parameters}
        if self.page:
            message["sessionId"] = self.page
        since = len(self.link.messages)
        self.link.send(json.dumps(message))
        _, answer = self.link.wait_for(lambda m: json.loads(m).get("id") == number, since)
        answer = json.loads(answer)
        assert "error" not in answer, (method, answer)
        return answer["result"]

    def events(self, method):
        found = [json.loads(m) for m in list(self.link.messages)]
        return [e["params"] for e in found if e.get("method") == method]

    def open(self, place):
        self.call("Page.navigate", url=place)

    def value(self, expression):
        """Of JavaScript, awaited; what it throws fails the test."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, expression):
        """Waits, in the page, for an expression to be true."""
        self.value(f"""new Promise((done, fail) => {{
            const end = performance.now() + {PATIENCE * 1000};
            const look = () => {{
                let now = false;
                try {{ now = {expression}; }} catch {{ }}
                if (now) done(true);
                else if (performance.now() > end) fail(new Error({json.dumps(expression)}));
                else setTimeout(look, 30);
            }};
            look();
        }})""")

    def size(self, width, height, phone=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone)

    def media(self, **features):
        """media(prefers_color_scheme="dark")"""
        self.call("Emulation.setEmulatedMedia", features=[{"name": k.replace("_", "-"), "value": v} for k, v in features.items()])

    def key(self, name, code=0, text=""):
        self.call("Input.dispatchKeyEvent", type="keyDown", key=name, code=name, windowsVirtualKeyCode=code, text=text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=name, code=name, windowsVirtualKeyCode=code)

    def picture(self, path=None, whole=False, clip=None):
        """PNG of what is seen, or of clip: x, y, width, height."""
        part = {"clip": dict(zip(("x", "y", "width", "height"), clip), scale=1)} if clip else {}
        data = base64.b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole, **part)["data"])
        if path:
            with open(path, "wb") as file:
                file.write(data)
        return data

    def complaints(self):
        """What the page itself wrote to the console as an error, and what threw."""
        return ([e["exceptionDetails"]["text"] + str(e["exceptionDetails"].get("exception", {}).get("description"))
                 for e in self.events("Runtime.exceptionThrown")] +
                [e["entry"]["text"] for e in self.events("Log.entryAdded") if e["entry"]["level"] == "error"])

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
