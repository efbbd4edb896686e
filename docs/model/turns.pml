/* Shared turns: requests that are decided and published by whoever has the turn.
 *
 * Three writers ask for one thing each: two claim the one task, the third
 * notes something, which is never refused. A writer has the queue lock, or its
 * request waits for one who has it, or it went on without the lock because the
 * wait was over. The ledger is a chain; the swap is atomic and compares the
 * tip with what was read. Any process may stop between any two steps, and die
 * at most of them; the heir of a dead one says what became of its request.
 */
#ifndef ENTRIES
#define ENTRIES 5
#endif
#define WRITERS 3
#define NOTE 3

/* of a request: not asked, waiting, taken by a turn, taken back */
#define NONE 0
#define WAITING 1
#define TAKEN 2
#define BACK 3

byte tip = 0;                    /* the newest entry's number */
byte holder[ENTRIES];            /* by entry: the writer that holds the task */
byte published[WRITERS + 1];     /* by writer: how often its entry is in the chain */
byte at[WRITERS + 1];            /* by writer: where */
byte request[WRITERS + 1];
byte answer[WRITERS + 1];        /* 1: done; otherwise the winner's number plus 1 */
bool dead[WRITERS + 1];
bool said_not[WRITERS + 1];      /* it was said that nothing was done, nor will be */
byte lock = 0;

#define STANDS(me, read) (published[me] > 0 && at[me] <= read)

inline publish_one(who, where) {
    published[who] = published[who] + 1;
    at[who] = where;
    assert(published[who] == 1);     /* nothing is applied twice */
    assert(!said_not[who])           /* nor after it was said that it was not */
}

inline take(other) {
    atomic {
        if
        :: other != me && request[other] == WAITING && !dead[other] ->
#ifndef MUTANT_NOT_TAKEN
            request[other] = TAKEN;
#endif
            taken[other] = true
        :: else
        fi
    }
}

inline put_back(other) {
    atomic {
        if
#ifdef MUTANT_TAKEN_FOR_GOOD
        :: taken[other] -> skip
#else
        :: taken[other] && request[other] == TAKEN -> request[other] = WAITING; taken[other] = false
        :: taken[other] && request[other] != TAKEN -> taken[other] = false
#endif
        :: !taken[other]
        fi
    }
}

/* A claim is refused where the task is held before it in the turn; a note never is. */
inline tell(other) {
    if
    :: taken[other] && (other == NOTE || holder_then == other) -> answer[other] = 1
    :: taken[other] && other != NOTE && holder_then != other ->
        assert(STANDS(holder_then, tip));   /* the winner that is named has won */
        answer[other] = holder_then + 1
    :: else
    fi
}

inline tell_all() {
    atomic { tell(1); tell(2); tell(NOTE) }
}

inline take_all() {
    take(1); take(2); take(NOTE)
}

inline put_all_back() {
    atomic { put_back(1); put_back(2); put_back(NOTE) }
}

inline may_die() {
    if
    :: atomic { true -> dead[me] = true; if :: lock == me -> lock = 0 :: else fi }; goto over
    :: true
    fi
}

proctype Writer(byte me) {
    byte read, holder_then;
    bool taken[WRITERS + 1];
    bool has_turn = false, was_asked = false, is_certain = true;

    if
    :: atomic { lock == 0 -> lock = me; has_turn = true }; goto write
    :: request[me] = WAITING; was_asked = true
    fi;
    do
    :: answer[me] != 0 -> goto over
    :: atomic { lock == 0 -> lock = me; has_turn = true }; break
    :: true -> break                       /* the wait is over */
    :: atomic { true -> dead[me] = true }; goto over
    od;
    if
    :: answer[me] != 0 -> goto leave
    :: else
    fi;
#ifdef MUTANT_TIP_READ_BEFORE
    read = tip;
#endif
    atomic { is_certain = (has_turn || request[me] == WAITING); request[me] = BACK };
#ifdef MUTANT_REFUSED_WHILE_TAKEN
    is_certain = true;
#endif
    may_die();
write:
#ifdef MUTANT_REQUESTS_FIRST
    if :: has_turn -> take_all() :: else fi;
#endif
#ifdef MUTANT_TIP_READ_BEFORE
    if :: !was_asked -> read = tip :: else fi;
#else
    read = tip;
#endif
#ifndef MUTANT_NO_LOOK
    if
    :: was_asked && STANDS(me, read) -> goto leave      /* another's turn had it */
    :: else
    fi;
#endif
    if
    :: me != NOTE && holder[read] != 0 ->
        /* refused on a state that stands; unknown where a turn may go on with it */
        atomic { if :: is_certain -> said_not[me] = true :: else fi }; goto leave
    :: else
    fi;
    if
    :: was_asked && !has_turn ->           /* the time may be up */
        if
        :: atomic { true -> if :: is_certain -> said_not[me] = true :: else fi }; goto leave
        :: true
        fi
    :: else
    fi;
#ifndef MUTANT_REQUESTS_FIRST
    if :: has_turn -> take_all() :: else fi;
#endif
    /* each is decided on what those before it leave */
    atomic {
        holder_then = holder[read];
        if :: me != NOTE && holder_then == 0 -> holder_then = me :: else fi;
        if :: taken[1] && holder_then == 0 -> holder_then = 1 :: else fi;
        if :: taken[2] && holder_then == 0 -> holder_then = 2 :: else fi
    };
#ifdef MUTANT_ANSWERED_BEFORE_THE_SWAP
    tell_all();
#endif
    may_die();
    atomic {
        if
        :: tip == read && tip < ENTRIES - 1 ->
            publish_one(me, tip + 1);
            if :: taken[1] && holder_then == 1 -> publish_one(1, tip + 1) :: else fi;
            if :: taken[2] && holder_then == 2 -> publish_one(2, tip + 1) :: else fi;
            if :: taken[NOTE] -> publish_one(NOTE, tip + 1) :: else fi;
            tip = tip + 1;
            holder[tip] = holder_then
        :: tip != read && tip < ENTRIES - 1 -> goto again
        :: else -> goto leave
        fi
    };
    may_die();
    tell_all();
    goto leave;
again:
    put_all_back();
#ifdef MUTANT_TIP_READ_BEFORE
    read = tip;
    was_asked = false;
#endif
    goto write;
leave:
    atomic { if :: lock == me -> lock = 0 :: else fi };
over:
    /* what a process knew at its end tells no states apart */
    atomic { read = 0; holder_then = 0; taken[1] = false; taken[2] = false; taken[NOTE] = false }
}

/* The next command of a dead writer's agent: it says what became of the request. */
proctype Heir(byte me) {
end:
    dead[me] && (request[me] == WAITING || request[me] == TAKEN);
    request[me] = BACK;
#ifdef MUTANT_SETTLED_WITHOUT_A_TURN
    atomic { if :: published[me] == 0 -> said_not[me] = true :: else fi }
#else
end_turn:
    /* who took it before has the turn until it is over */
    atomic { lock == 0 -> if :: published[me] == 0 -> said_not[me] = true :: else fi }
#endif
}

/* A writer that shares nothing, as of an older version: what a swap can lose against. */
proctype Other() {
end:
    atomic { tip == 1 -> tip = 2; holder[2] = holder[1] }
}

init {
    atomic {
        run Other();
        run Writer(1); run Writer(2); run Writer(3);
        run Heir(1); run Heir(2); run Heir(3)
    }
}
