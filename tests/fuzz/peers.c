/*
 * peers.c - fuzzes the readers of the table of peers: __doorbell's list and search.
 *
 * Between any two loads the server answers, and in some inputs an adversary changes the table
 * and the server's line. Without an adversary all peers of the table are found. In any case
 * the peers have ids of their own and names that can be printed, and the search ends. The
 * region ends with the table, so the address sanitizer sees an access beyond it.
 */
#include "fuzz.h"

#include "../../prog/doorbell/doorbell.h"
#include "../../prog/lib/hold.h"

static void pass_look(void);

#define shmem_hold_wait_a_look() pass_look()
#define shmem_doorbell_id(bell) 1
#define shmem_doorbell_vectors(bell) 1
#include "../../prog/lib/peers.c"
#include "../../prog/doorbell/peers.c"

static struct doorbell doorbell;
static struct shmem_layout_peer *table;
static struct shmem_layout_server *line;
static unsigned long looks;
static uint16_t answers;
static bool hostile, acting;
static char wanted[64];     /* what find_peer searches for */
static unsigned int found;  /* its answer */

static void pass_look(void)
{
	MUST(++looks <= TABLE_READINGS * LOOKS);
}

/* Id 7 or 135 is in slot 7; its name is "p7". */
static void fill_slot(unsigned int slot, uint8_t choice)
{
	unsigned int id = slot + choice / 2 % 2 * SHMEM_LAYOUT_PEERS_MAX;

	memset(table[slot].name, 0, SHMEM_LAYOUT_PEER_NAME);
	table[slot].connected = 0;
	if (choice % 2 == 0)
		return;
	table[slot].connected = id + 1;
	snprintf(table[slot].name, SHMEM_LAYOUT_PEER_NAME, "p%u", slot);
}

static void answer(void)
{
	line->table = SHMEM_LAYOUT_TABLE_ANSWER | ++answers;
	line->vectors = 1;
}

static void tamper(void)
{
	struct shmem_layout_peer *peer = &table[take_byte() % SHMEM_LAYOUT_PEERS_MAX];

	switch (take_byte() % 8) {
	case 0:
		peer->connected = (uint32_t)take_word();
		break;
	case 1:
		peer->connected += take_byte() % 4 * SHMEM_LAYOUT_PEERS_MAX;
		break;
	case 2:
		take(peer->name, sizeof(peer->name));
		break;
	case 3:
		*peer = table[take_byte() % SHMEM_LAYOUT_PEERS_MAX];
		break;
	case 4:
		line->table = take_word();
		break;
	case 5:
		line->table += take_byte();
		break;
	case 6:
		line->vectors = take_byte() % 2 ? take_byte() : take_word();
		break;
	case 7:
		take(table, SHMEM_LAYOUT_PEERS_MAX * sizeof(*table));
		break;
	}
}

static void adversary(void)
{
	if (acting)
		return;
	acting = true;
	if (line->table == SHMEM_LAYOUT_TABLE_WANTED && (!hostile || take_byte() % 4 == 0))
		answer();
	if (hostile && take_byte() % 8 == 1)
		tamper();
	acting = false;
}

/* --- What must hold ---------------------------------------------------------- */

static void check_peers(const struct peers *peers)
{
	MUST(peers->count <= SHMEM_LAYOUT_PEERS_MAX);
	for (size_t i = 0; i < peers->count; i++) {
		const struct shmem_table_peer *peer = &peers->of[i];

		MUST(peer->id < SHMEM_PEER_IDS);
		MUST(i == 0 || peer->id > peers->of[i - 1].id);
		MUST(memchr(peer->name, '\0', sizeof(peer->name)));
		for (const char *c = peer->name; *c; c++)
			MUST(*c > ' ' && *c <= '~');
	}
}

static void check_reading(void)
{
	struct peers *peers = calloc(1, sizeof(*peers));
	bool there = get_peers(&doorbell, peers);

	check_peers(peers);
	MUST(there || peers->count == 0);
	if (!hostile) {
		size_t connected = 0;

		for (size_t slot = 0; slot < SHMEM_LAYOUT_PEERS_MAX; slot++)
			connected += table[slot].connected != 0;
		MUST(there && peers->count == connected);
	}
	free(peers);
}

static void search_peer(void)
{
	found = find_peer(&doorbell, wanted);
}

/* Chooses what to search for: a text, or the name or id of a peer. Returns the peer's id + 1. */
static unsigned int choose_wanted(void)
{
	unsigned int slot = take_byte() % SHMEM_LAYOUT_PEERS_MAX, connected = table[slot].connected;
	uint8_t kind = take_byte() % 4;

	if (kind == 1) {
		take(wanted, sizeof(wanted) - 1);
		return 0;
	}
	if (kind == 2)
		snprintf(wanted, sizeof(wanted), "p%u", slot);
	else
		snprintf(wanted, sizeof(wanted), "%u", connected - 1);
	return connected;
}

static void check_search(void)
{
	unsigned int connected = choose_wanted();
	uint64_t id;

	if (ends(search_peer)) {
		MUST(hostile || !connected);
		return;
	}
	MUST(found < SHMEM_PEER_IDS);
	MUST(!shmem_number(wanted, SHMEM_PEER_IDS - 1, &id) || id == found);
	MUST(hostile || table[found % SHMEM_LAYOUT_PEERS_MAX].connected == found + 1);
	MUST(hostile || !connected || found == connected - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	unsigned char *region = aligned_alloc(64, SHMEM_LAYOUT_FREE);

	supply = input;
	supplied = size;
	memset(region, 0, SHMEM_LAYOUT_FREE);
	memset(&doorbell, 0, sizeof(doorbell));
	memset(wanted, 0, sizeof(wanted));
	doorbell.region = (struct shmem){ .base = region, .size = SHMEM_LAYOUT_FREE };
	table = (struct shmem_layout_peer *)(region + SHMEM_LAYOUT_PEERS);
	line = (struct shmem_layout_server *)(region + SHMEM_LAYOUT_SERVER);
	looks = answers = 0;
	acting = false;
	hostile = take_byte() % 4;
	for (uint8_t slots = take_byte() % 16; slots > 0; slots--)
		fill_slot(take_byte() % SHMEM_LAYOUT_PEERS_MAX, take_byte());

	check_reading();
	looks = 0;
	check_search();
	looks = 0;
	list_peers(&doorbell);
	MUST(shmem_table_vectors(&doorbell.region) <= SHMEM_VECTORS_MAX);
	free(region);
	return 0;
}
