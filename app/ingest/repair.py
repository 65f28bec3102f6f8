"""Mend protobuf that the library refuses as a whole for one bad value.

One byte that is not UTF-8, or one value nested too deeply, makes protobuf refuse a batch of
thousands of spans. This walk over the wire format replaces only what is bad.
"""

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from app.errors import BadRequest

MAX_MESSAGE_DEPTH = 90
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def repair(body: bytes, descriptor: Descriptor, depth: int = 0) -> bytes:
    """The message with bad UTF-8 replaced and values that are nested too deeply left empty.

    Raises BadRequest when the bytes are no protobuf message at all.
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
        content = _repair_field(body[position : position + size], field, depth)
        out += _encoded(tag) + _encoded(len(content)) + content
        position += size
    return bytes(out)


def _repair_field(content: bytes, field: FieldDescriptor | None, depth: int) -> bytes:
    if field is None:
        return content
    if field.type == FieldDescriptor.TYPE_STRING:
        return content.decode("utf-8", "replace").encode()
    if field.type == FieldDescriptor.TYPE_MESSAGE and field.message_type is not None:
        return repair(content, field.message_type, depth + 1)
    return content


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
