"""A program that is not ours, run inside: it reaches the simulated exchange, no more.

The command starts a lab (user and network namespace, emulated link), in it the
simulated exchange, and beside it a keeper, which joins the lab's namespaces, makes
those of mounts, processes and IPC, and starts the program there:

    command ── lab ── forwarder      the link; leads every connection to the exchange
       │        └──── exchange       every host, and the DNS inside; keeps an account
       └── keeper ── first process   masks, certificates, own /proc; reaps orphans
                       └── program   no capabilities, a group of its own, our terminal

`keeping` is the command's handle of a program, `keeper` and `walls` run inside,
`trust` knows what makes programs trust our CA, `running` puts it all together:

    run_program(Wanted(argv=(...), ...)) -> ProgramRun

What a `ProgramRun` holds: how the program ended; the account of the exchange
(`simulator.http.seen`: connections with the client's port, the address that was
dialled, the server name, times and the way they ended; requests with times, statuses
and the bytes on the wire before and after each); and the packets at the program's end
of the link (`simulator.link.messages.Packets`), which the pair of dialled address and
client's port joins to a connection.
"""
