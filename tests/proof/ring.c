/*
 * What is proven of src/echod/ring.c: the bytes out are the bytes in, in order.
 *
 * The i-th byte held, oldest first, lies ring_place(ring, i) bytes from the start of the memory.
 */
#include "echod/ring.h"

#include <errno.h>

/*@ predicate ring_invariant(struct ring *ring) =
      ring->size > 0 && ring->head < ring->size && ring->used <= ring->size &&
      (ring->used == 0 ==> ring->head == 0);

    predicate ring_memory(struct ring *ring) =
      \valid(ring) && \valid(ring->bytes + (0 .. ring->size - 1)) &&
      \separated(ring, ring->bytes + (0 .. ring->size - 1));

    predicate ring_sound(struct ring *ring) = ring_invariant(ring) && ring_memory(ring);

    logic integer ring_place(struct ring *ring, integer i) =
      ring->head + i < ring->size ? ring->head + i : ring->head + i - ring->size;

    logic unsigned char ring_byte(struct ring *ring, integer i) =
      ring->bytes[ring_place(ring, i)];

    logic integer ring_free_length(struct ring *ring) =
      \min(ring->size - ring->used, ring->size - ring_place(ring, ring->used));

    logic integer ring_used_length(struct ring *ring) = \min(ring->used, ring->size - ring->head);
*/

/*@ requires size > 0;
    requires \valid(ring) && \valid(bytes + (0 .. size - 1));
    requires \separated(ring, bytes + (0 .. size - 1));
    terminates \true;
    assigns *ring;
    ensures ring_sound(ring);
    ensures ring->bytes == bytes && ring->size == size && ring->used == 0;
*/
void ring_init(struct ring *ring, unsigned char *bytes, uint32_t size);

/*@ requires \valid_read(ring);
    terminates \true;
    assigns \result \from *ring;
    ensures \result <==> ring->bytes != \null && ring_invariant(ring);
*/
bool ring_is_valid(const struct ring *ring);

/*@ requires ring_sound(ring) && \valid(length) && \separated(length, ring);
    terminates \true;
    assigns *length, \result \from *ring;
    ensures \result == ring->bytes + ring_place(ring, ring->used);
    ensures *length == ring_free_length(ring);
*/
unsigned char *ring_free_span(const struct ring *ring, size_t *length);

/*@ requires ring_sound(ring);
    terminates \true;
    assigns ring->used;
    ensures ring_sound(ring);
    behavior fits:
      assumes length <= ring_free_length(ring);
      ensures \result == 0 && ring->used == \old(ring->used) + length;
    behavior too_long:
      assumes length > ring_free_length(ring);
      assigns \nothing;
      ensures \result == -EINVAL;
    complete behaviors;
    disjoint behaviors;
*/
int ring_commit(struct ring *ring, size_t length);

/*@ requires ring_sound(ring) && \valid(length) && \separated(length, ring);
    terminates \true;
    assigns *length, \result \from *ring;
    ensures \result == ring->bytes + ring_place(ring, 0);
    ensures *length == ring_used_length(ring);
*/
const unsigned char *ring_used_span(const struct ring *ring, size_t *length);

/*@ requires ring_sound(ring);
    terminates \true;
    assigns ring->used, ring->head;
    ensures ring_sound(ring);
    behavior fits:
      assumes length <= ring_used_length(ring);
      ensures \result == 0 && ring->used == \old(ring->used) - length;
      ensures in_order: \forall integer i; 0 <= i < ring->used ==>
        ring_place(ring, i) == \old(ring_place(ring, i + length));
    behavior too_long:
      assumes length > ring_used_length(ring);
      assigns \nothing;
      ensures \result == -EINVAL;
    complete behaviors;
    disjoint behaviors;
*/
int ring_consume(struct ring *ring, size_t length);

#include "echod/ring.c"

/*
 * What io.c does with a ring, recv(2) and send(2) written out. A stream's bytes are counted from
 * its start: in[i] is the i-th one received, out[i] the i-th one sent back.
 */

/* The ring holds what was received and not yet sent. */
/*@ predicate ring_holds(struct ring *ring, unsigned char *in, integer sent, integer received) =
      received - sent == ring->used &&
      \forall integer i; sent <= i < received ==> ring_byte(ring, i - sent) == in[i];
*/

/*@ requires ring_sound(ring) && ring_holds(ring, in, sent, received);
    requires length <= ring_free_length(ring) && received + length <= SIZE_MAX;
    requires \valid_read(in + (0 .. received + length - 1));
    requires \separated(ring, ring->bytes + (0 .. ring->size - 1),
      in + (0 .. received + length - 1));
    terminates \true;
    assigns ring->used, ring->bytes[0 .. ring->size - 1];
    ensures ring_sound(ring) && ring_holds(ring, in, sent, received + length);
*/
static void
receive(struct ring *ring, const unsigned char *in, size_t sent, size_t received, size_t length)
{
	size_t span;
	unsigned char *room = ring_free_span(ring, &span);

	/*@ loop invariant received <= next <= received + length;
	    loop invariant \forall integer i; received <= i < next ==> room[i - received] == in[i];
	    loop assigns next, room[0 .. length - 1];
	    loop variant received + length - next;
	*/
	for (size_t next = received; next < received + length; next++)
		room[next - received] = in[next];
	ring_commit(ring, length);
	/*@ assert kept: \forall integer i; sent <= i < received ==>
	      ring_byte(ring, i - sent) == in[i]; */
	/*@ assert added: \forall integer i; received <= i < received + length ==>
	      ring_byte(ring, i - sent) == in[i]; */
}

/*@ requires ring_sound(ring) && ring_holds(ring, in, sent, received);
    requires length <= ring_used_length(ring) && received <= SIZE_MAX;
    requires \valid(out + (sent .. sent + length - 1));
    requires \separated(ring, ring->bytes + (0 .. ring->size - 1), in + (sent .. received - 1),
      out + (sent .. sent + length - 1));
    terminates \true;
    assigns ring->used, ring->head, out[sent .. sent + length - 1];
    ensures ring_sound(ring) && ring_holds(ring, in, sent + length, received);
    ensures \forall integer i; sent <= i < sent + length ==> out[i] == in[i];
*/
static void
send(struct ring *ring, const unsigned char *in, unsigned char *out, size_t sent, size_t received,
        size_t length)
{
	size_t span;
	const unsigned char *oldest = ring_used_span(ring, &span);

	/*@ loop invariant sent <= next <= sent + length;
	    loop invariant ring_holds(ring, in, sent, received);
	    loop invariant \forall integer i; sent <= i < next ==> out[i] == in[i];
	    loop assigns next, out[sent .. sent + length - 1];
	    loop variant sent + length - next;
	*/
	for (size_t next = sent; next < sent + length; next++) {
		/*@ assert ring_byte(ring, next - sent) == in[next]; */
		out[next] = oldest[next - sent];
	}
	ring_consume(ring, length);
}

/* Whatever the peer and the kernel decide. */
/*@ terminates \true;
    assigns \result \from \nothing;
    ensures \result <= most;
*/
size_t anything(size_t most);

/*
 * A connection, for as long as it likes: any number of receives and sends of any length (0, too).
 * What was sent is always the beginning of what was received.
 */
/*@ requires ring_sound(ring) && ring->used == 0;
    requires \valid_read(in + (0 .. total - 1)) && \valid(out + (0 .. total - 1));
    requires \separated(ring, ring->bytes + (0 .. ring->size - 1), in + (0 .. total - 1),
      out + (0 .. total - 1));
    assigns ring->used, ring->head, ring->bytes[0 .. ring->size - 1], out[0 .. total - 1];
    ensures ring_sound(ring) && \result <= total;
    ensures in_order: \forall integer i; 0 <= i < \result ==> out[i] == in[i];
*/
size_t
ring_echoes(struct ring *ring, const unsigned char *in, unsigned char *out, size_t total)
{
	size_t received = 0, sent = 0, length;

	/*@ loop invariant ring_sound(ring) && sent <= received <= total;
	    loop invariant held: ring_holds(ring, in, sent, received);
	    loop invariant gone: \forall integer i; 0 <= i < sent ==> out[i] == in[i];
	    loop assigns ring->used, ring->head, ring->bytes[0 .. ring->size - 1],
	      out[0 .. total - 1], received, sent, length;
	*/
	while (anything(1)) {
		ring_free_span(ring, &length);
		length = anything(length < total - received ? length : total - received);
		receive(ring, in, sent, received, length);
		received += length;
		/*@ assert \forall integer i; 0 <= i < sent ==> out[i] == in[i]; */

		ring_used_span(ring, &length);
		length = anything(length);
		send(ring, in, out, sent, received, length);
		/*@ assert \forall integer i; 0 <= i < sent ==> out[i] == in[i]; */
		sent += length;
	}
	return sent;
}
