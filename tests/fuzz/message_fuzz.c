/* Control messages between coordinator and workers from arbitrary bytes: what is accepted must
 * encode to bytes that are accepted again. */
#include "runtime/base/check.h"
#include "runtime/worker/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message message = {0}, again = {0};
    struct error err = {0};
    struct bytes frame = {0};

    if (message_decode(data, size, &message, &err)) {
        message_encode(&message, &frame);
        CHECK(message_decode(frame.data + 4, frame.size - 4, &again, &err));
        CHECK(again.kind == message.kind && again.epoch == message.epoch);
    }
    message_clear(&again);
    message_clear(&message);
    bytes_clear(&frame);
    return 0;
}
