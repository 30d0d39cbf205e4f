# SPDX-License-Identifier: ISC
"""The processes of one running chain, found by its configuration file."""
import os


def of_chain(directory):
    """pid -> program, for every process started with -c DIRECTORY/smtpd.conf.

    A name alone would meet the processes of another chain beside this one.
    """
    conf = os.fsencode(os.path.join(directory, 'smtpd.conf'))
    found = {}
    for pid in filter(str.isdigit, os.listdir('/proc')):
        argv = command(pid)
        program = os.fsdecode(os.path.basename(argv[0]))
        if conf in argv and program.startswith('smtpd-'):
            found[int(pid)] = program
    return found


def command(pid):
    """Its argv; one empty word when it has ended meanwhile."""
    try:
        with open(f'/proc/{pid}/cmdline', 'rb') as f:
            return f.read().rstrip(b'\0').split(b'\0')
    except OSError:
        return [b'']


def split(directory):
    """(service -> pid, program -> [pid]): the services that the supervisor
    itself has started, and what these have started for one conversation.

    A service is called after its program and, for smtpd-queue, its entrance.
    """
    chain = of_chain(directory)
    services, workers = {}, {}
    for pid, program in chain.items():
        try:
            with open(f'/proc/{pid}/stat', encoding='ascii') as f:
                parent = int(f.read().rpartition(')')[2].split()[1])
        except OSError:
            continue
        if parent in chain:
            workers.setdefault(program, []).append(pid)
            continue
        if program == 'smtpd-queue':
            program += '-' + os.fsdecode(command(pid)[-1])
        services[program] = pid
    return services, workers


def cost(pid):
    """(KiB that it has written, open descriptors) of a process. What it only
    reads of its program's file is its own or not as others run that too."""
    with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as f:
        written = sum(int(line.split()[1]) for line in f
                      if line.startswith('Anonymous:'))
    return written, len(os.listdir(f'/proc/{pid}/fd'))
