"""Train Pix2Pix to convert one instrument into another.

    python train.py --dataset_path features --origin keyboard_acoustic --target guitar_acoustic

The run folder (runs/<origin>_2_<target>) receives after each epoch history.csv and history.png,
generator.h5 and discriminator.h5, and a validation piece as picture and audio. A run that was
interrupted goes on with its last finished epoch.
"""

from common.cli import UserError, number, parser, run


def build_parser():
    """Flags of the script."""
    from pix2pix_timbre.session import LEARNING_RATES, OTHER_PAIRS, add_flags

    published = "".join(
        f"    {origin} to {target}: {gen:g} and {disc:g}\n"
        for (origin, target), (gen, disc) in LEARNING_RATES.items()
    )
    built = parser(
        f"{__doc__}\nDefault learning rates of generator and discriminator:\n\n{published}"
        f"    other pairs: {OTHER_PAIRS[0]:g} and {OTHER_PAIRS[1]:g}\n"
    )
    add_flags(built)
    built.add_argument("--gen_lr", type=number(float, 0), help="generator learning rate")
    built.add_argument("--disc_lr", type=number(float, 0), help="discriminator learning rate")
    built.add_argument(
        "--adversarial_start",
        type=number(int, 0),
        default=0,
        metavar="STEP",
        help="train by L1 alone until this step (default: 0, as published)",
    )
    return built


def main(argv=None):
    """Run the script; its exit status."""
    from pix2pix_timbre.session import LEARNING_RATES, OTHER_PAIRS, Session

    args = build_parser().parse_args(argv)
    defaults = LEARNING_RATES.get((args.origin, args.target), OTHER_PAIRS)
    args.gen_lr = defaults[0] if args.gen_lr is None else args.gen_lr
    args.disc_lr = defaults[1] if args.disc_lr is None else args.disc_lr
    session = Session(args)
    if args.findlr:
        return find_learning_rates(session)
    return train(session)


def build_model(session):
    """The untrained Pix2Pix of the session's flags."""
    from pix2pix_timbre.gan import Pix2Pix
    from pix2pix_timbre.model import build_discriminator, build_generator

    args = session.args
    generator = build_generator(args.width, dropout=args.dropout)
    return Pix2Pix(generator, build_discriminator(args.width))


def train(session):
    """Train, or go on training, to the last epoch."""
    from common.training import jit_setting, learning_rate, make_epoch_callback
    from pix2pix_timbre.convert import Predictor
    from pix2pix_timbre.gan import AdversaryStart
    from pix2pix_timbre.session import MAY_CHANGE, save_networks

    args, folder = session.args, session.run
    may_change = MAY_CHANGE if args.lr_decay == "none" else set(MAY_CHANGE) - {"epochs"}
    finished = folder.start(
        session.config(),
        resume=args.resume,
        may_change=may_change,
        from_weights=args.epoch_offset > 0,
    )
    if finished >= session.last_epoch:
        print(f"{folder.path}: finished after epoch {finished}; raise --epochs to go on")
        return 0
    model = build_model(session)
    adversarial_steps = max(session.total_steps - args.adversarial_start, 1)
    model.compile_adam(
        learning_rate(args.gen_lr, args.lr_decay, session.total_steps),
        learning_rate(args.disc_lr, args.lr_decay, adversarial_steps),
        args.adversarial_start,
        jit_compile=jit_setting(),
    )
    if finished:
        folder.load_resume(model)
        print(f"{folder.path}: going on after epoch {finished}")
    elif args.epoch_offset:
        session.load_networks(model)
    predictor = Predictor(model.generator)

    def epoch_ended(epoch, rows):
        save_networks(model, folder.path)
        session.write_epoch(predictor, epoch, rows)

    model.fit(
        session.training,
        validation_data=session.validation,
        initial_epoch=finished or args.epoch_offset,
        epochs=session.last_epoch,
        shuffle=False,  # the dataset shuffles itself, by its seed
        callbacks=[
            AdversaryStart(args.adversarial_start),
            make_epoch_callback(folder, session.training, args.seed, epoch_ended),
        ],
    )
    return 0


def find_learning_rates(session):
    """Sweep the learning rate of the joint system; write curves and suggestion."""
    from common.report import plot_sweep
    from common.training import (
        jit_setting,
        smooth,
        steepest_descent,
        sweep_learning_rate,
        sweep_schedule,
        write_rows,
    )

    steps = len(session.training)
    if steps < 3:
        raise UserError(f"--findlr: {steps} batches make no curve; raise --steps_per_epoch")
    model = build_model(session)
    schedule = sweep_schedule(steps)
    model.compile_adam(schedule, schedule, jit_compile=jit_setting())
    rows = sweep_learning_rate(model, session.training, steps)
    if len(rows) < 3:
        raise UserError("--findlr: the losses diverged at once; check the features")
    rates = [row["learning_rate"] for row in rows]
    losses = [name for name in rows[0] if name != "learning_rate"]
    raw = {name: [row[name] for row in rows] for name in losses}
    smoothed = {name: smooth(values) for name, values in raw.items()}
    suggestions = {name: steepest_descent(rates, raw[name]) for name in losses}
    folder = session.run.path / "findlr"
    write_rows(
        folder / "joint.csv",
        [
            row | {f"{name}_smoothed": float(smoothed[name][step]) for name in losses}
            for step, row in enumerate(rows)
        ],
    )
    curves = {name: (raw[name], smoothed[name]) for name in losses}
    plot_sweep(folder / "joint.png", rates, curves, suggestions)
    for name, rate in suggestions.items():
        print(f"{name}: {'never falls' if rate is None else f'falls fastest at {rate:.1e}'}")
    print(f"curves in {folder}")
    return 0


if __name__ == "__main__":
    run(main)
