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


ENTRANCES = (b'in', b'relay', b'user', b'auth', b'own')


def service_name(program, argv):
    """smtpd-queue is one for each entrance."""
    if program == 'smtpd-queue':
        program += '-' + os.fsdecode(next(w for w in argv if w in ENTRANCES))
    return program


def is_warm(pid):
    """Whether it was exec'd by a listener, to fork for each conversation."""
    try:
        with open(f'/proc/{pid}/environ', 'rb') as f:
            return b'SMTPD_WARM=' in f.read()
    except OSError:
        return False


def split(directory):
    """(service -> pid, program -> [pid]): the services that a supervisor has
    started, each in a session of its own, and what these have started for one
    conversation.

    A service is called after its program and, for smtpd-queue, its entrance.
    The warm process of a service, whose children converse, is one as well, by
    that name and "-warm"; the last one, when others have retired.
    """
    chain = of_chain(directory)
    services, workers, names, warm = {}, {}, {}, {}
    for pid in sorted(chain):
        try:
            name = service_name(chain[pid], command(pid))
            leads = os.getsid(pid) == pid
        except (StopIteration, ProcessLookupError):
            continue    # it has ended meanwhile
        if leads:
            while name in services:
                name += '-again'
            names[pid] = name
            services[name] = pid
    for pid in chain.keys() - names.keys():
        try:
            with open(f'/proc/{pid}/stat', encoding='ascii') as f:
                fields = f.read().rpartition(')')[2].split()
        except OSError:
            continue
        parent, born = int(fields[1]), int(fields[19])
        workers.setdefault(chain[pid], []).append(pid)
        if parent in names and is_warm(pid):
            name = names[parent] + '-warm'
            warm[name] = max((born, pid), warm.get(name, (0, 0)))
    for name, (_, pid) in warm.items():
        services[name] = pid
        workers[chain[pid]].remove(pid)
    return services, {program: pids for program, pids in workers.items() if pids}


def cost(pid):
    """(KiB that it has written, open descriptors) of a process. What it only
    reads of its program's file is its own or not as others run that too."""
    with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as f:
        written = sum(int(line.split()[1]) for line in f
                      if line.startswith('Anonymous:'))
    return written, len(os.listdir(f'/proc/{pid}/fd'))
