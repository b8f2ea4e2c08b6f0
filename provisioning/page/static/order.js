// Reads the order's QR with the phone's camera, where the browser can (Shape Detection API). Otherwise: file or paste.
"use strict";

const scanButton = document.getElementById("scan-button");
const scanBox = document.getElementById("scan");
const orderForm = document.getElementById("order");
const canScan = "BarcodeDetector" in window && navigator.mediaDevices && navigator.mediaDevices.getUserMedia;
let stream = null;

function stopScan() {
  if (stream) stream.getTracks().forEach((track) => track.stop());
  stream = null;
  scanBox.hidden = true;
  scanButton.hidden = !canScan;
}

async function scan() {
  const video = scanBox.querySelector("video");
  try {
    // A dense code needs pixels: the order's QR has some 120 modules a side.
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1920 } } });
  } catch {
    document.getElementById("no-camera").hidden = false;
    return;
  }
  scanBox.hidden = false;
  scanButton.hidden = true;
  video.srcObject = stream;
  await video.play();
  const detector = new BarcodeDetector({ formats: ["qr_code"] });
  const look = async () => {
    if (!stream) return;
    const found = await detector.detect(video).catch(() => []);
    const order = found.map((code) => code.rawValue).find((text) => text.startsWith("WO1|"));
    if (order) {
      document.getElementById("text").value = order;
      stopScan();
      orderForm.requestSubmit();
    } else {
      window.setTimeout(look, 150);
    }
  };
  look();
}

// With scripts a chosen file is sent at once, so the thumb's place belongs to choosing; "read" is for pasted text.
const chooseButton = document.getElementById("choose-button");
const readButton = document.querySelector('button[form="order"]');
const paste = document.getElementById("paste");
readButton.hidden = true;
paste.addEventListener("toggle", () => {
  readButton.hidden = !paste.open;
  chooseButton.hidden = paste.open;
});
if (canScan) {
  scanButton.hidden = false;
  chooseButton.className = "secondary";
  readButton.className = "secondary";
  window.addEventListener("pagehide", stopScan);
  scanButton.addEventListener("click", scan);
}
