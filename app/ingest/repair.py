"""Mend protobuf that the library refuses as a whole for one bad value.

One byte that is not UTF-8, or one value nested too deeply, makes protobuf refuse a batch of
thousands of spans. This walk over the wire format replaces only what is bad. What the library reads
by itself is taken as it is, so that a batch with one bad span costs little more than a good one.
"""

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from app.errors import BadRequest

MAX_MESSAGE_DEPTH = 90
TRIED_DEPTH = 12
"""Down to here the library is asked whether a part is good: each level has it read all once."""
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def repair(
    body: bytes, descriptor: Descriptor, *, is_trusting: bool = True, depth: int = 0
) -> bytes:
    """The message with bad UTF-8 replaced and values that are nested too deeply left empty.

    One that trusts leaves parts alone that can be read by themselves, which may together still be
    nested too deeply. Raises BadRequest when the bytes are no protobuf message at all.
    """
    if depth > MAX_MESSAGE_DEPTH:
        return b""
    out = bytearray()
    position = 0
    while position < len(body):
        start = position
        tag, position = _varint(body, position)
        if tag >> 3 == 0:
            # No field has the number 0; a long body of zeros would keep this walk busy for minutes.
            raise BadRequest("the body is not a valid protobuf message")
        if tag & 7 != _LENGTH:
            position = _skip(body, position, tag & 7)
            out += body[start:position]
            continue
        size, position = _varint(body, position)
        if position + size > len(body):
            raise _cut_off()
        field = descriptor.fields_by_number.get(tag >> 3)
        content = _repair_field(body[position : position + size], field, is_trusting, depth)
        out += _encoded(tag) + _encoded(len(content)) + content
        position += size
    return bytes(out)


def _repair_field(
    content: bytes, field: FieldDescriptor | None, is_trusting: bool, depth: int
) -> bytes:
    if field is None:
        return content
    if field.type == FieldDescriptor.TYPE_STRING:
        return content.decode("utf-8", "replace").encode()
    if field.type == FieldDescriptor.TYPE_MESSAGE and field.message_type is not None:
        if is_trusting and depth < TRIED_DEPTH and _is_good(content, field.message_type):
            return content
        return repair(content, field.message_type, is_trusting=is_trusting, depth=depth + 1)
    return content


def _is_good(content: bytes, descriptor: Descriptor) -> bool:
    try:
        GetMessageClass(descriptor).FromString(content)
    except DecodeError:
        return False
    return True


def _skip(body: bytes, position: int, wire_type: int) -> int:
    if wire_type == _VARINT:
        return _varint(body, position)[1]
    if wire_type not in (_FIXED64, _FIXED32):
        raise BadRequest("the body is not a valid protobuf message")
    position += 8 if wire_type == _FIXED64 else 4
    if position > len(body):
        raise _cut_off()
    return position


def _varint(body: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(body):
            raise _cut_off()
        byte = body[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise BadRequest("the body is not a valid protobuf message")


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _cut_off() -> BadRequest:
    return BadRequest("the body is not a valid protobuf message: it is cut off")
