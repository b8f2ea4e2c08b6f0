"""The README of a bundle: how anybody checks it with openssl and sha256sum, in Thai and English. Pure.

The lines between the two markers are run by a test as they stand.
"""

from __future__ import annotations

from typing import Final

from agent.recording.manifest import Manifest

BEGIN: Final = "---- begin ----"
END: Final = "---- end ----"

# With an authority that vouches, and the two forms a bundle may have without.
_SIGNED = """\
sha256sum --check --strict --quiet SHA256SUMS && echo "1 files: OK"
grep -q "$(sha256sum < SHA256SUMS | cut -c 1-64)" manifest.json && echo "2 list: OK"
openssl x509 -in signer.crt -noout -pubkey > /tmp/signer.pub
openssl dgst -sha256 -verify /tmp/signer.pub -signature manifest.json.sig manifest.json
openssl pkey -pubin -in /tmp/signer.pub -outform DER | sha256sum
"""
_VOUCHED = """\
openssl verify -no_check_time -CAfile chain.pem signer.crt
openssl x509 -in chain.pem -noout -subject -fingerprint -sha256
"""
_SEALED = """\
for s in meta/seals/*.json; do openssl dgst -sha256 -verify /tmp/signer.pub -signature "$s.sig" "$s"; done
"""
_UNSIGNED = """\
sha256sum --check --strict --quiet SHA256SUMS && echo "1 files: OK"
grep -q "$(sha256sum < SHA256SUMS | cut -c 1-64)" manifest.json && echo "2 list: OK"
"""

_TEXT = """\
หลักฐานภาพจากกล้อง / FOOTAGE AS EVIDENCE
กล้อง / camera      {camera}  ({org}/{site}/{node})
ช่วงเวลา / span      {start} - {end}
คดี / case           {case}
จัดทำเมื่อ / made      {made}
กุญแจ / signing key  {signer}

วิธีตรวจสอบ (ไทย)
แตกไฟล์นี้ลงในโฟลเดอร์ว่าง เปิดเทอร์มินัลในโฟลเดอร์นั้น แล้วรันคำสั่งระหว่างเส้นด้านล่างทีละบรรทัด
- ทุกบรรทัดต้องตอบว่า OK และบรรทัดลายเซ็นต้องตอบว่า Verified OK
- บรรทัดที่แสดงรหัส 64 ตัวต้องตรงกับ "กุญแจ" ด้านบน และตรงกับกุญแจของกล่องนี้ที่ศูนย์บันทึกไว้ ควรถามศูนย์เองโดยตรง
- ถ้ามีบรรทัดใดไม่ผ่าน แสดงว่าไฟล์ถูกแก้ไข คำสั่ง `wayside footage verify ไฟล์.zip` จะบอกว่าไฟล์ใดและส่วนใด
native/ คือไฟล์ต้นฉบับจากกล้องทุกไบต์ ไม่ได้เข้ารหัสใหม่ ส่วน view/ คือคลิปของช่วงเวลาที่ขอ ตัดจากต้นฉบับเพื่อให้ดูสะดวก
{note_th}
How to check (English)
Unpack this archive into an empty folder, open a terminal there and run the lines between the marks, one by one.
- Every line must answer OK, and the line about the signature "Verified OK".
- The line of 64 characters must be the signing key named above, and the key that the centre has on record for this
  node: ask the centre yourself.
- A line that fails means that something was changed; `wayside footage verify FILE.zip` names the file and the part.
native/ holds the camera's original files, byte for byte and never re-encoded; view/ is the clip of the span that was
asked for, cut from them for convenience. meta/ holds the node's chain, its seals, gaps, events, clock and accesses.
{note_en}
{begin}
{lines}{end_mark}
"""

_NOTE_UNSIGNED_TH = "คำเตือน: กล่องนี้ไม่มีกุญแจ ชุดนี้จึงไม่มีลายเซ็น และพิสูจน์ไม่ได้ว่ามาจากกล่องใด\n"
_NOTE_UNSIGNED_EN = "WARNING: this node has no key, so nothing is signed here and nothing proves which node made it.\n"
_NOTE_ALONE_TH = "หมายเหตุ: ไม่มีหน่วยงานรับรองใบรับรองของกุญแจนี้ ต้องเทียบรหัสกุญแจกับศูนย์\n"
_NOTE_ALONE_EN = "NOTE: no authority vouches for the certificate of this key; compare the key with the centre.\n"


def readme(manifest: Manifest, *, has_authority: bool, has_seals: bool) -> bytes:
    """`manifest` may lack its files, which it lists only when this text is done."""
    is_signed = bool(manifest.signer)
    lines = _SIGNED if is_signed else _UNSIGNED
    note_th = note_en = ""
    if not is_signed:
        note_th, note_en = _NOTE_UNSIGNED_TH, _NOTE_UNSIGNED_EN
    elif not has_authority:
        note_th, note_en = _NOTE_ALONE_TH, _NOTE_ALONE_EN
    else:
        lines += _VOUCHED
    if is_signed and has_seals:
        lines += _SEALED
    text = _TEXT.format(
        camera=manifest.camera,
        org=manifest.org,
        site=manifest.site,
        node=manifest.node,
        start=manifest.asked.start,
        end=manifest.asked.end,
        case=manifest.case_ref or "-",
        made=manifest.made,
        signer=manifest.signer or "-",
        note_th=note_th,
        note_en=note_en,
        begin=BEGIN,
        lines=lines,
        end_mark=END,
    )
    return text.encode()
