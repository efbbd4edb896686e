/* Pushes of several clones to one server, over lines that break.
 *
 * The ledger on the server is a chain; by[i] is the operation that made entry
 * i. A clone fetches, decides on what it saw, and pushes from exactly that. A
 * push may be carried out at any later time, or never, and its answer may be
 * lost. Whoever got no answer looks, and pushes the same again or decides
 * anew; who gives up has an unknown outcome, which the next command settles.
 */
#ifndef CLONES
#define CLONES 2
#endif
#ifndef ENTRIES
#define ENTRIES 4
#endif
#define LINES 2          /* pushes of one clone that may be under way at once */
#define NONE 99

byte tip = 0;                    /* the newest entry on the server */
byte by[ENTRIES];                /* by entry: the operation, 0 for none */
byte sent[CLONES * LINES];       /* by line: from which entry it pushes */
byte kind[CLONES * LINES];       /* by line: its operation */
bool applied[CLONES + 1];        /* by operation: it is in the chain */
bool refuted[CLONES + 1];        /* by operation: its agent was told that it was not done */

inline look(op, found) {
    number = 1;
    found = false;
    do
    :: number <= tip -> if :: by[number] == op -> found = true :: else fi; number = number + 1
    :: else -> break
    od
}

/* The server carries out one push that is under way. */
inline carry_out(line, fine) {
    fine = false;
    if
#ifdef MUTANT_NO_LEASE
    :: tip < ENTRIES - 1 ->
#else
    :: tip == sent[line] && tip < ENTRIES - 1 ->
#endif
        assert(!applied[kind[line]]);    /* trying again never applies twice */
        assert(!refuted[kind[line]]);    /* what was "not done" stays undone */
        tip = tip + 1;
        by[tip] = kind[line];
        applied[kind[line]] = true;
        fine = true
    :: else
    fi;
    sent[line] = NONE
}

/* Pushes whose clone has given up on the answer arrive late, or never. */
proctype Late() {
    byte line;
    bool fine;
end:
    do
    :: atomic {
        if :: sent[0] != NONE -> line = 0
           :: sent[1] != NONE -> line = 1
           :: sent[2] != NONE -> line = 2
           :: sent[3] != NONE -> line = 3
        fi;
        if :: carry_out(line, fine) :: sent[line] = NONE fi;
        line = 0; fine = false
       }
    od
}

proctype Clone(byte op) {
    byte seen, line, number;
    bool found, fine;
    bool was_cut = false;
again:
    atomic { seen = tip; look(op, found) };
#ifndef MUTANT_DECIDE_ANEW_WITHOUT_LOOKING
    if :: was_cut && found -> goto done :: else fi;
#endif
push:
    atomic {
        line = (op - 1) * LINES;
        if
        :: sent[line] == NONE
        :: sent[line] != NONE && sent[line + 1] == NONE -> line = line + 1
        :: else -> goto unknown          /* the time is up */
        fi;
        sent[line] = seen;
        kind[line] = op
    };
    if
    :: atomic {                          /* it is carried out, and answered */
        sent[line] != NONE -> carry_out(line, fine);
        if
        :: fine -> goto done
        :: else -> goto again            /* rejected: read again */
        fi
       }
    :: was_cut = true                    /* cut off: perhaps it arrives later */
    fi;
#ifdef MUTANT_DONE_WITHOUT_AN_ANSWER
    goto done;
#endif
    atomic {
        look(op, found);
        if
        :: found -> goto done
        :: !found && tip == seen -> goto push     /* the same push, from the same entry */
        :: !found && tip != seen -> goto again    /* it can never apply: decide anew */
        :: true -> skip                           /* the server is not reached any more */
        fi
    };
unknown:
    /* The agent's next command settles it before it says anything else. */
    atomic {
        look(op, found);
        if
        :: found -> goto done
#ifdef MUTANT_REFUTED_TOO_EARLY
        :: !found -> refuted[op] = true
#else
        :: !found && tip != seen -> refuted[op] = true
#endif
        :: true -> skip                  /* nothing is known yet, and nothing told */
        fi
    };
    goto over;
done:
    assert(applied[op]);                 /* no false success */
over:
    skip
}

init {
    byte number = 0;
    atomic {
        do
        :: number < CLONES * LINES -> sent[number] = NONE; number = number + 1
        :: else -> break
        od;
        number = 1;
        do
        :: number <= CLONES -> run Clone(number); number = number + 1
        :: else -> break
        od;
        run Late()
    }
}
